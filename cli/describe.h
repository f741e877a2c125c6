// Entities, changes and entries in words.
#pragma once

#include <span>
#include <string>
#include <utility>

#include <selvedge/feed.h>
#include <selvedge/read.h>
#include <selvedge/txlog.h>

#include "cli/json.h"

namespace selvedge::cli {

/// ":Airport:Large", empty without labels.
std::string labels_text(const Reader& reader, const Node& node);
std::string labels_text(const LoggedImage& image);
/// `{"iata":"SFO"}`
std::string properties_json(const Reader& reader, const Properties& properties);
/// The same with long values shortened.
std::string properties_text(const Reader& reader, const Properties& properties);
std::string properties_text(const LoggedImage& image);

void put_node(Json& json, const Reader& reader, const Node& node);
void put_edge(Json& json, const Reader& reader, const Edge& edge);

/// "who=ada, why=audit", empty without.
std::string metadata_text(std::span<const std::pair<std::string, std::string>> metadata);

/// What an entry did, in one line.
std::string describe(const LogEntry& entry);
std::string describe(const LoggedChange& change);

}  // namespace selvedge::cli
