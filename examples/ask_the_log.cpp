// Asks the log of a store: every entry, what happened to one entity, and who did it.
#include <selvedge/store.h>

#include <cstdio>
#include <filesystem>

using selvedge::EntryKind;
using selvedge::Result;
using selvedge::Status;
using selvedge::Store;

namespace {

Status write_something(Store& store) {
  SELVEDGE_TRY(auto tx, store.begin({.metadata = {{"user", "ada"}}}));
  SELVEDGE_TRY(const auto engine, tx.create_node({"Machine"}, {{"name", "Difference Engine"}}));
  SELVEDGE_TRY(tx.commit());
  return store.set(engine, "name", "Analytical Engine");
}

Status show_everything(const Store& store) {
  SELVEDGE_TRY(const auto log, store.txlog());
  SELVEDGE_TRY(auto cursor, log.entries());
  while (cursor.next()) {
    std::puts(to_json(cursor.entry()).c_str());
  }
  return cursor.status() ? Status{} : selvedge::fail(cursor.status().error().clone());
}

/// Every update of a node: what it was, and what it became.
Status show_changes(const Store& store) {
  SELVEDGE_TRY(const auto log, store.txlog());
  SELVEDGE_TRY(auto cursor, log.entries({1}, {}, 0, {.kinds = {EntryKind::update_node}}));
  while (cursor.next()) {
    const auto& change = cursor.entry().changes[0];
    std::printf("entry %llu: %s became %s\n",
                static_cast<unsigned long long>(cursor.entry().sequence.value),
                std::string(change.before["name"].as_string().value_or("")).c_str(),
                std::string(change.after["name"].as_string().value_or("")).c_str());
  }
  return cursor.status() ? Status{} : selvedge::fail(cursor.status().error().clone());
}

/// What was committed behind `last`, which moves along: it is kept with what was made of the
/// changes.
Status follow(const Store& store, selvedge::Sequence& last) {
  SELVEDGE_TRY(auto feed, store.feed({last.value + 1}));
  while (feed.next()) {
    while (feed.next_change()) {
      std::printf("  %s\n", std::string(to_string(feed.change().kind)).c_str());
    }
    last = feed.commit().sequence;
  }
  return feed.status() ? Status{} : selvedge::fail(feed.status().error().clone());
}

Status run(const std::string& path) {
  SELVEDGE_TRY(auto store, Store::open(path));
  SELVEDGE_TRY(write_something(store));
  SELVEDGE_TRY(show_everything(store));
  SELVEDGE_TRY(show_changes(store));
  selvedge::Sequence last;
  SELVEDGE_TRY(follow(store, last));
  return store.close();
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() / "selvedge-ask-the-log";
  std::filesystem::remove_all(path);
  const Status done = run(path);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
  }
  std::filesystem::remove_all(path);
  return done ? 0 : 1;
}
