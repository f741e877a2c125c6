// The US flight network: loads airports and routes from CSV files into a store.
#pragma once

#include <selvedge/store.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace flights {

/// Splits a line of CSV; a quoted field may contain commas.
inline std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> result(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      result.emplace_back();
    } else if (c != '\r') {
      result.back() += c;
    }
  }
  return result;
}

struct Network {
  std::vector<selvedge::NodeId> airports;
  std::vector<selvedge::EdgeId> routes;
};

inline selvedge::Result<std::vector<std::vector<std::string>>> rows(const std::string& path,
                                                                    std::size_t columns) {
  std::ifstream file(path);
  if (!file) {
    return selvedge::fail(selvedge::ErrorCode::not_found, "cannot read " + path);
  }
  std::vector<std::vector<std::string>> result;
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    auto row = fields(line);
    if (row.size() != columns) {
      return selvedge::fail(selvedge::ErrorCode::invalid_argument,
                            path + ":" + std::to_string(result.size() + 2) + ": " +
                                std::to_string(row.size()) + " fields");
    }
    result.push_back(std::move(row));
  }
  return result;
}

/// Everything in one transaction, in bulk.
inline selvedge::Result<Network> load(selvedge::Store& store, const std::string& directory) {
  SELVEDGE_TRY(const auto airports, rows(directory + "/airports.csv", 7));
  SELVEDGE_TRY(const auto routes, rows(directory + "/flights-airport.csv", 3));
  return store.transact([&](selvedge::Transaction& tx) -> selvedge::Result<Network> {
    const selvedge::LabelRef label[] = {"Airport"};
    std::vector<std::vector<selvedge::Property>> properties;
    properties.reserve(airports.size());
    std::vector<selvedge::NewNode> nodes;
    for (const auto& row : airports) {
      properties.push_back({{"iata", row[0]},
                            {"name", row[1]},
                            {"city", row[2]},
                            {"state", row[3]},
                            {"latitude", std::stod(row[5])},
                            {"longitude", std::stod(row[6])}});
      nodes.push_back({label, properties.back()});
    }
    Network network;
    SELVEDGE_TRY(network.airports, tx.create_nodes(nodes));
    std::map<std::string, selvedge::NodeId> by_code;
    for (std::size_t i = 0; i < airports.size(); ++i) {
      by_code[airports[i][0]] = network.airports[i];
    }
    std::vector<std::vector<selvedge::Property>> counts;
    counts.reserve(routes.size());
    std::vector<selvedge::NewEdge> edges;
    for (const auto& row : routes) {
      if (by_code.count(row[0]) == 0 || by_code.count(row[1]) == 0) {
        return selvedge::fail(selvedge::ErrorCode::not_found,
                              "a route names an unknown airport: " + row[0] + " or " + row[1]);
      }
      counts.push_back({{"flights", std::stoll(row[2])}, {"booked", 0}});
      edges.push_back({by_code[row[0]], "ROUTE", by_code[row[1]], counts.back()});
    }
    SELVEDGE_TRY(network.routes, tx.create_edges(edges));
    return network;
  });
}

}  // namespace flights
