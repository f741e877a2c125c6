// A store in memory and the verbs that schema tests are told in.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/support/memory_file_system.h"

namespace selvedge {

class SchemaTest : public ::testing::Test {
 protected:
  SchemaTest() { open(); }

  void open() {
    Options options;
    options.background_maintenance = false;
    options.segment_bytes = 1 << 20;
    options.file_system = &files_;
    auto opened = Store::open("/db", options);
    ASSERT_TRUE(opened) << opened.error().message();
    store.emplace(*std::move(opened));
  }
  void reopen() {
    ASSERT_TRUE(store->close());
    store.reset();
    open();
  }
  void create(const SchemaSpec& spec) {
    const Status made = store->create_schema(spec);
    ASSERT_TRUE(made) << made.error().message();
  }
  static ErrorCode code(const Status& status) {
    EXPECT_FALSE(status);
    return status ? ErrorCode::unsupported : status.error().code();
  }
  template <class T>
  static ErrorCode code(const Result<T>& result) {
    EXPECT_FALSE(result);
    return result ? ErrorCode::unsupported : result.error().code();
  }
  NodeId person(PropertyList properties) {
    auto made = store->create_node({"Person"}, properties);
    EXPECT_TRUE(made) << made.error().message();
    return made.value_or(NodeId{});
  }
  /// Ids that a reader finds, in the order in which it finds them.
  static std::vector<NodeId> found(const Reader& reader, std::initializer_list<Condition> asked,
                                   Order order = Order::ascending) {
    std::vector<NodeId> ids;
    auto matches = reader.find_nodes("Person", asked, order);
    EXPECT_TRUE(matches) << matches.error().message();
    while (matches && matches->next()) {
      ids.push_back(matches->id());
    }
    return ids;
  }
  std::vector<NodeId> found(std::initializer_list<Condition> asked,
                            Order order = Order::ascending) {
    const ReadView view = store->read();
    return found(view, asked, order);
  }
  void expect_sound() {
    ASSERT_TRUE(store->maintain());
    for (const std::string& fault : store->check().faults) {
      ADD_FAILURE() << fault;
    }
  }
  using Ids = std::vector<NodeId>;

  test::MemoryFileSystem files_;
  std::optional<Store> store;
};

}  // namespace selvedge
