#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>

namespace selvedge::testkit {
namespace {

class Exploring : public ::testing::Test {
 protected:
  static Workload standard(const std::string& name) {
    for (Workload& each : all()) {
      if (each.name == name) {
        return each;
      }
    }
    ADD_FAILURE() << "no workload " << name;
    return {};
  }
  static std::vector<Workload>& all() {
    static std::vector<Workload> workloads = standard_workloads();
    return workloads;
  }
  static void expect_none(const Exploration& found, const std::string& name) {
    for (const Violation& each : found.violations) {
      ADD_FAILURE() << name << ": " << each.what << "\n" << each.token << "\n" << each.trace;
    }
  }
};

TEST_F(Exploring, EveryCrashOfEveryStandardWorkloadRecovers) {
  for (const Workload& workload : all()) {
    ExploreOptions options;
    options.faults = false;
    const Exploration found = Explorer(options).explore(workload);
    expect_none(found, workload.name);
    EXPECT_GT(found.counts.distinct_images, 20U) << workload.name;
    EXPECT_GT(found.counts.crash_states, found.counts.distinct_images) << workload.name;
  }
}

TEST_F(Exploring, EveryFaultOfTheTinyWorkloadsIsSurvived) {
  for (const Workload& workload : all()) {
    if (workload.tiny && (workload.name == "updates" || workload.name == "reopened")) {
      const Exploration found = Explorer({}).explore(workload);
      expect_none(found, workload.name);
      EXPECT_GT(found.counts.faults, 100U);
    }
  }
}

TEST_F(Exploring, EveryCrashInEveryRecoveryRecovers) {
  ExploreOptions options;
  options.depth = 2;
  options.faults = false;
  for (const char* name : {"single-create", "interleaved-streaming"}) {
    const Exploration found = Explorer(options).explore(standard(name));
    expect_none(found, name);
    EXPECT_GT(found.counts.nested, found.counts.crash_states / 2);
  }
}

TEST_F(Exploring, TheSameSeedGoesTheSameWay) {
  ExploreOptions options;
  options.faults = false;
  const Workload workload = random_workload(random_words(7, 40));
  const Counts first = Explorer(options).explore(workload).counts;
  const Counts second = Explorer(options).explore(workload).counts;
  EXPECT_EQ(first.crash_states, second.crash_states);
  EXPECT_EQ(first.distinct_images, second.distinct_images);
}

TEST_F(Exploring, RandomMixesRecover) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    ExploreOptions options;
    options.seed = seed;
    options.faults = false;
    const auto words = random_words(seed, 30);
    expect_none(Explorer(options).explore(random_workload(words)), "seed " + std::to_string(seed));
  }
}

/// Moves money in two steps where one transaction was needed.
Workload careless_transfer() {
  Workload workload;
  workload.name = "careless";
  workload.body = [](Trial& trial) -> Status {
    NodeId a;
    NodeId b;
    SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
      const std::array<Property, 1> money{{{"money", 50}}};
      const std::vector<NewNode> two(2, NewNode{{}, money});
      SELVEDGE_TRY(const auto made, store.create_nodes(two));
      a = made[0];
      b = made[1];
      return {};
    }));
    for (int i = 1; i <= 4; ++i) {
      SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "money", 50 - i); }));
      SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "money", 50 + i); }));
    }
    return {};
  };
  workload.invariant = [](const Reader& view) -> std::optional<std::string> {
    std::int64_t sum = 0;
    for (auto node = view.nodes(); node.next();) {
      sum += node.node()["money"].as_int64().value_or(0);
    }
    if (sum == 0 || sum == 100) {
      return std::nullopt;
    }
    return "the accounts hold " + std::to_string(sum);
  };
  return workload;
}

TEST_F(Exploring, ABrokenInvariantIsFoundShortenedAndReplayed) {
  const Workload workload = careless_transfer();
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  const Violation& violation = found.violations.front();
  EXPECT_NE(violation.what.find("the accounts hold 99"), std::string::npos) << violation.what;
  EXPECT_EQ(violation.steps, 2U) << "the shortest run that shows it";
  EXPECT_NE(violation.trace.find("-- crash --"), std::string::npos);
  const auto again = Explorer({}).replay(workload, violation.token);
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->what, violation.what);
  for (const char* wrong : {"9999:0.", "not a token", "", "x@1:0.", "run/1:0.",
                            "write.1.error/1:0.", "write.1.error|run", "1:0./run"}) {
    EXPECT_FALSE(Explorer({}).replay(workload, wrong)) << wrong;
  }
}

/// Makes a copy, and does something to it.
Workload with_copy(std::function<Status(Trial&)> then) {
  Workload workload;
  workload.name = "copy";
  workload.body = [then = std::move(then)](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", 1}}));
      return {};
    }));
    SELVEDGE_TRY(trial.backup("/copy"));
    return then(trial);
  };
  return workload;
}

TEST_F(Exploring, ACopyThatDoesNotOpenIsFound) {
  const Workload workload =
      with_copy([](Trial& trial) { return trial.files().unlink("/copy/MANIFEST"); });
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  const Violation& violation = found.violations.front();
  EXPECT_NE(violation.what.find("the copy in /copy: refused"), std::string::npos) << violation.what;
  const auto again = Explorer({}).replay(workload, violation.token);
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->what, violation.what);
}

TEST_F(Exploring, ACopyThatHoldsAnotherStateIsFound) {
  const Exploration found = Explorer({}).explore(with_copy([](Trial& trial) -> Status {
    SELVEDGE_TRY(auto copy, Store::open("/copy", Trial::options_of({}, trial.files())));
    SELVEDGE_TRY(copy.create_node({"N"}, {{"v", 2}}));
    return copy.close();
  }));
  ASSERT_EQ(found.violations.size(), 1U);
  EXPECT_NE(
      found.violations.front().what.find("the copy in /copy: expected the state after step 1"),
      std::string::npos)
      << found.violations.front().what;
}

TEST(Ledger, ACopyMakesItsStepsDurable) {
  Ledger ledger;
  ledger.steps = {{2, {}, 0}, {4, {}, 0}, {6, {}, 0}};
  ledger.copies = {{"/copy", 2, 9}};
  EXPECT_EQ(ledger.bounds(8).lower, 0U);
  EXPECT_EQ(ledger.bounds(8).copies, 0U);
  EXPECT_EQ(ledger.bounds(9).lower, 2U);
  EXPECT_EQ(ledger.bounds(9).upper, 3U);
  EXPECT_EQ(ledger.bounds(9).copies, 1U);
}

TEST_F(Exploring, AWorkloadThatFailsByItselfIsReported) {
  Workload workload;
  workload.name = "failing";
  workload.body = [](Trial& trial) {
    return trial.alone([](Store& store) { return store.delete_node(NodeId{1U << 28}); });
  };
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  EXPECT_NE(found.violations.front().what.find("failed without a fault"), std::string::npos);
}

// --- every finding can be gone to again --------------------------------------------------------

class Replaying : public Exploring {
 protected:
  /// Replays everything that is found; returns how much of it says `what`.
  static std::size_t replays(const Workload& workload, const std::string& what,
                             const ExploreOptions& options) {
    std::size_t counted = 0;
    for (const Violation& each : Explorer(options).explore(workload).violations) {
      const auto again = Explorer(options).replay(workload, each.token);
      if (!again || !*again) {
        ADD_FAILURE() << each.token << ": nothing, but " << each.what;
        continue;
      }
      EXPECT_EQ((*again)->what, each.what) << each.token;
      EXPECT_EQ((*again)->token, each.token);
      EXPECT_EQ((*again)->trace, each.trace) << each.token;
      counted += each.what.find(what) != std::string::npos ? 1U : 0U;
    }
    return counted;
  }
  static ExploreOptions many() {
    ExploreOptions options;
    options.violations_max = 300;
    options.shorten = false;
    return options;
  }
  static Workload of(std::function<Status(Trial&)> body) {
    Workload workload;
    workload.name = "broken";
    workload.body = std::move(body);
    return workload;
  }
  static Status add(Store& store) {
    SELVEDGE_TRY(store.create_node({"N"}));
    return {};
  }
  /// Nobody may see the nodes that the ledger knows of.
  static std::optional<std::string> no_more_than_one(const Reader& view) {
    return view.node_count() < 2 ? std::nullopt : std::optional<std::string>("too many");
  }
};

TEST_F(Replaying, CrashesInRecoveriesAreFoundAgain) {
  Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    return trial.alone(add);
  });
  workload.invariant = no_more_than_one;
  ExploreOptions options = many();
  options.depth = 2;
  options.faults = false;
  EXPECT_GT(replays(workload, "too many", options), 1U);
}

TEST_F(Replaying, WhatIsLeftAfterAFaultIsFoundAgain) {
  Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    const Status checkpoint = trial.store().checkpoint();
    return checkpoint ? Status{} : trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(add(store));
      return add(store);
    });
  });
  EXPECT_EQ(replays(workload, "", many()), 0U) << "no step is left for what follows the fault";
  workload.body = [](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    return trial.store().checkpoint() ? Status{} : add(trial.store());
  };
  EXPECT_GT(replays(workload, "after the fault: expected the state after step 0 to 1", many()), 1U);
}

TEST_F(Replaying, AnInvariantThatOnlyTheLastStateBreaksIsFoundAgainAtEveryFault) {
  Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    return trial.alone(add);
  });
  workload.invariant = no_more_than_one;
  ExploreOptions options = many();
  options.violations_max = 2'000;
  EXPECT_GT(replays(workload, "after the fault: the program's invariant", options), 1U);
  EXPECT_GT(replays(workload, "after a fault in recovery: the program's invariant", options), 1U);
}

TEST_F(Replaying, ALifeThatShowsAnotherStateIsFoundAgain) {
  const Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    SELVEDGE_TRY(add(trial.store()));
    return trial.die();
  });
  EXPECT_EQ(
      replays(workload, "after the process died: expected the state after step 1 to 1", many()),
      1U);
  EXPECT_EQ(Explorer(many()).explore(workload).violations.front().token, "run");
}

TEST_F(Replaying, ALifeThatShowsAnotherStateAfterAFaultIsFoundAgain) {
  const Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    if (!trial.store().checkpoint()) {
      SELVEDGE_TRY(add(trial.store()));
    }
    return trial.die();
  });
  EXPECT_GT(replays(workload, "after the fault: after the process died", many()), 1U);
}

TEST_F(Replaying, AWorkloadThatFailsByItselfFailsAgain) {
  const Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    SELVEDGE_TRY(trial.alone(add));
    return trial.store().delete_node(NodeId{1U << 28});
  });
  EXPECT_EQ(replays(workload, "failed without a fault", {}), 1U);
}

TEST_F(Replaying, AnErrorBeforeTheFaultIsFoundAgain) {
  auto runs = std::make_shared<int>(0);
  const Workload workload = of([runs](Trial& trial) -> Status {
    const bool every_second = ++*runs % 2 == 0;
    return every_second ? fail(ErrorCode::conflict, "a moody program") : trial.alone(add);
  });
  ExploreOptions options;
  options.shorten = false;
  EXPECT_EQ(replays(workload, "an error without a fault: a moody program", options), 1U);
}

TEST_F(Replaying, OnlyAWriteIsTorn) {
  const Workload workload = of([](Trial& trial) { return trial.alone(add); });
  EXPECT_FALSE(Explorer({}).replay(workload, "1:1.1:0.0.0.512.512")) << "a mkdir";
  EXPECT_FALSE(Explorer({}).replay(workload, "1:1.1:7.0.0.512.512")) << "nothing";
}

TEST_F(Replaying, WhatAShorterRunShowedIsLookedForInThatRun) {
  const Workload workload = of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(add(store));
      return add(store);
    }));
    SELVEDGE_TRY(trial.alone(add));
    return trial.store().delete_node(NodeId{1U << 28});
  });
  const auto found = Explorer({}).explore(workload).violations;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().token.substr(0, 2), "1@") << found.front().token;
  EXPECT_EQ(replays(workload, "a state that no step leaves: 1 nodes", {}), 1U);
}

}  // namespace
}  // namespace selvedge::testkit
