// Workloads about imports: each change that one makes is a step.

#include <selvedge/migration.h>

#include <string>
#include <utility>

#include "base/bytes.h"
#include "io/file_util.h"
#include "testkit/workload_parts.h"

namespace selvedge::testkit {

namespace {

/// What is imported lies on another disk, which no crash takes.
class Input {
 public:
  explicit Input(std::string_view text) : text_(text) {}

  Status begin() {
    SELVEDGE_TRY(const auto file, files_.open(path, OpenMode::create));
    return io::write_all(*file, 0, as_bytes(text_));
  }
  Import import(Trial& trial) {
    ImportOptions options;
    options.file_system = &files_;
    options.batch_records = 2;
    return {trial.store(), ImportSource::jsonl(path), options};
  }

 private:
  static constexpr const char* path = "/graph.jsonl";
  SimFileSystem files_;
  std::string text_;
};

constexpr std::string_view whole = R"({"selvedge":"graph","version":1}
{"schema":{"kind":"unique","entity":"node","target":"N","keys":["v"],"index":"hash","name":"vs"}}
{"node":1,"labels":["N"],"properties":{"v":1}}
{"node":2,"labels":["N"],"properties":{"v":2}}
{"node":3,"labels":[],"properties":{}}
{"edge":4,"type":"E","source":1,"target":2,"properties":{"w":1}}
{"edge":5,"type":"E","source":2,"target":2,"properties":{}}
{"end":{"nodes":3,"edges":2}}
)";

/// What is wrong shows in the store: the node of the last edge is nowhere.
constexpr std::string_view wrong = R"({"selvedge":"graph","version":1}
{"node":1,"labels":["N"],"properties":{"v":1}}
{"node":2,"labels":["N"],"properties":{"v":2}}
{"edge":4,"type":"E","source":1,"target":2,"properties":{"w":1}}
{"edge":5,"type":"E","source":1,"target":9,"properties":{}}
{"end":{}}
)";

/// At most so many steps; true when it is finished.
Result<bool> advance(Trial& trial, Import& import, int steps) {
  for (int i = 0; i < steps; ++i) {
    bool more = true;
    SELVEDGE_TRY(trial.alone([&](Store&) -> Status {
      SELVEDGE_TRY(more, import.step());
      return {};
    }));
    if (!more) {
      return true;
    }
  }
  return false;
}

constexpr int to_the_end = 1000;

/// All that is imported is there once.
Status expect_whole(Trial& trial) {
  const ReadView view = trial.store().read();
  const bool right = view.node_count() == 3 && view.edge_count() == 2 &&
                     view.node_count("N") == 2 && view.schema().size() == 1 &&
                     view.node_count("selvedge:import") == 0;
  return right ? Status{} : fail(ErrorCode::corruption, "an import is not what it should be");
}

Status imports(Trial& trial) {
  Input input(whole);
  SELVEDGE_TRY(input.begin());
  Import import = input.import(trial);
  SELVEDGE_TRY(advance(trial, import, to_the_end));
  return expect_whole(trial);
}

/// The process dies, the power fails, and each time it goes on.
Status interrupted_imports(Trial& trial) {
  Input input(whole);
  SELVEDGE_TRY(input.begin());
  for (int life = 0;; ++life) {
    {
      Import import = input.import(trial);
      SELVEDGE_TRY(const bool done, advance(trial, import, life < 5 ? 3 : to_the_end));
      if (done) {
        return expect_whole(trial);
      }
    }
    if (life % 2 == 0) {
      SELVEDGE_TRY(trial.die());
    } else {
      SELVEDGE_TRY(trial.store().checkpoint());
      SELVEDGE_TRY(trial.reopen());
    }
  }
}

/// What was imported of an input that cannot be taken comes out again.
Status refused_imports(Trial& trial) {
  SELVEDGE_TRY(node(trial, "N", 1));
  Input input(wrong);
  SELVEDGE_TRY(input.begin());
  Import import = input.import(trial);
  for (bool refused = false; !refused;) {
    SELVEDGE_TRY(trial.alone([&](Store&) -> Status {
      auto more = import.step();
      if (!more && more.error().code() != ErrorCode::invalid_argument) {
        return fail(std::move(more).error());
      }
      refused = !more;
      if (more && !*more) {
        return fail(ErrorCode::corruption, "an edge without its node was taken");
      }
      return {};
    }));
  }
  {
    const ReadView view = trial.store().read();
    if (view.node_count() != 1 || view.edge_count() != 0) {
      return fail(ErrorCode::corruption, "something of a refused import is left");
    }
  }
  // The last group of the log is that of the last step.
  return node(trial, "N", 2).map([](NodeId) {});
}

}  // namespace

std::vector<Workload> import_workloads() {
  const auto small_buffer = [](Options& options) { options.transaction_buffer_bytes = 0; };
  const auto none = [](Options& options) { options.sync = SyncMode::none; };
  return {
      {"imports", imports},
      {"imports-streaming", imports, small_buffer},
      {"imports-unsynced", imports, none},
      {"interrupted-imports", interrupted_imports},
      {"refused-imports", refused_imports},
  };
}

}  // namespace selvedge::testkit
