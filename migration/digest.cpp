// What a graph is, whatever its ids: colour refinement.
//
// The colour of a node begins as a hash of its labels, properties and embeddings. In each round it
// takes in the colours at the other ends of its edges, with their types, properties and directions;
// sums of hashes, so that no order matters. It ends when a round tells no more nodes apart.

#include <selvedge/json.h>
#include <selvedge/migration.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "migration/marks.h"
#include "migration/schema_text.h"

namespace selvedge {

namespace {

using base::Hash128;

constexpr unsigned rounds_max = 64;

enum class Salt : std::uint8_t { node, edge, out, in, embedding, colour, schema };

void add(Hash128& to, const Hash128& other) {
  const std::uint64_t low = to.low;
  to.low += other.low;
  to.high += other.high + (to.low < low ? 1 : 0);
}

/// Role: a hash of parts, each with its length, so that parts do not run into each other.
class Parts {
 public:
  explicit Parts(Salt salt) { text_.push_back(static_cast<char>(salt)); }
  Parts& text(std::string_view part) {
    number(part.size());
    text_ += part;
    return *this;
  }
  Parts& number(std::uint64_t part) {
    text_.append(reinterpret_cast<const char*>(&part), sizeof(part));
    return *this;
  }
  Parts& hash(const Hash128& part) { return number(part.low).number(part.high); }
  [[nodiscard]] Hash128 done() const { return base::hash128(as_bytes(text_)); }

 private:
  std::string text_;
};

/// Names are by their bytes: interned numbers are another store's.
void put_properties(Parts& into, const Reader& view, const Properties& properties) {
  std::vector<std::pair<std::string_view, ValueView>> sorted;
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const PropertyView property = properties.at(i);
    sorted.emplace_back(view.name(property.key), property.value);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  into.number(sorted.size());
  for (const auto& [key, value] : sorted) {
    into.text(key).text(to_json(value.to_value()));  // bit-exact, and different for each value
  }
}

Hash128 node_content(const Reader& view, const Node& node) {
  std::vector<std::string_view> labels;
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    labels.push_back(view.name(node.label(i)));
  }
  std::sort(labels.begin(), labels.end());
  Parts parts(Salt::node);
  parts.number(labels.size());
  for (const std::string_view label : labels) {
    parts.text(label);
  }
  put_properties(parts, view, node.properties());
  return parts.done();
}

Hash128 edge_content(const Reader& view, const Edge& edge) {
  Parts parts(Salt::edge);
  parts.text(view.name(edge.type()));
  put_properties(parts, view, edge.properties());
  return parts.done();
}

class Colours {
 public:
  explicit Colours(const Reader& view) : view_(view) {
    for (const Node& node : view.nodes()) {
      place_.emplace(node.id(), colours_.size());
      colours_.push_back(node_content(view, node));
    }
    view.each_embedding([&](NodeId node, KeyId key, std::span<const float> values) {
      const auto hash = Parts(Salt::embedding)
                            .hash(colours_[place_.at(node)])
                            .text(view_.name(key))
                            .text(as_text(std::as_bytes(values)))
                            .done();
      add(embeddings_[node], hash);
      return true;
    });
    for (const auto& [node, sum] : embeddings_) {
      Hash128& colour = colours_[place_.at(node)];
      colour = Parts(Salt::colour).hash(colour).hash(sum).done();
    }
    std::size_t before = classes();
    for (unsigned round = 0; round < rounds_max; ++round) {
      refine();
      const std::size_t after = classes();
      if (after == before) {
        break;
      }
      before = after;
    }
  }

  [[nodiscard]] Hash128 sum() const {
    Hash128 sum;
    for (const Hash128& colour : colours_) {
      add(sum, Parts(Salt::colour).hash(colour).done());
    }
    for (const Edge& edge : view_.edges()) {
      add(sum, Parts(Salt::edge)
                   .hash(edge_content(view_, edge))
                   .hash(colours_[place_.at(edge.source())])
                   .hash(colours_[place_.at(edge.target())])
                   .done());
    }
    return sum;
  }

 private:
  void refine() {
    std::vector<Hash128> around(colours_.size());
    for (const Edge& edge : view_.edges()) {
      const Hash128 content = edge_content(view_, edge);
      const std::size_t source = place_.at(edge.source());
      const std::size_t target = place_.at(edge.target());
      add(around[source], Parts(Salt::out).hash(content).hash(colours_[target]).done());
      add(around[target], Parts(Salt::in).hash(content).hash(colours_[source]).done());
    }
    for (std::size_t i = 0; i < colours_.size(); ++i) {
      colours_[i] = Parts(Salt::colour).hash(colours_[i]).hash(around[i]).done();
    }
  }
  [[nodiscard]] std::size_t classes() const {
    std::unordered_set<std::uint64_t> different;
    for (const Hash128& colour : colours_) {
      different.insert(colour.low);
    }
    return different.size();
  }

  const Reader& view_;
  std::unordered_map<NodeId, std::size_t> place_;
  std::unordered_map<NodeId, Hash128> embeddings_;
  std::vector<Hash128> colours_;
};

}  // namespace

std::string content_digest(const Reader& view) {
  Hash128 sum = Colours(view).sum();
  for (const SchemaInfo& each : view.schema()) {
    add(sum, Parts(Salt::schema).text(migration::schema_to_json(each.spec)).done());
  }
  std::string text;
  for (const std::uint64_t half : {sum.high, sum.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      text.push_back("0123456789abcdef"[half >> shift & 15]);
    }
  }
  return text;
}

}  // namespace selvedge
