// The built program, run as a person would.
#pragma once

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <rapidjson/document.h>
#include <selvedge/store.h>

#include "tests/support/temp_directory.h"

namespace selvedge {

struct Ran {
  int exit_code = -1;
  std::string out;
  std::string err;  ///< on a terminal all is in `out`
};

/// A process of the program, with its output.
class Process {
 public:
  /// Words of the command line, in this directory, with these variables besides PATH and HOME.
  Process(const std::vector<std::string>& words, const std::string& directory,
          const std::map<std::string, std::string>& variables) {
    EXPECT_EQ(::pipe(out_.data()), 0);
    EXPECT_EQ(::pipe(err_.data()), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(out_[1], STDOUT_FILENO);
      ::dup2(err_[1], STDERR_FILENO);
      for (const int each : {out_[0], out_[1], err_[0], err_[1]}) {
        ::close(each);
      }
      become(words, directory, variables);
    }
    ::close(out_[1]);
    ::close(err_[1]);
  }

  [[noreturn]] static void become(const std::vector<std::string>& words,
                                  const std::string& directory,
                                  const std::map<std::string, std::string>& variables) {
    std::vector<std::string> environment = {std::string("PATH=") + std::getenv("PATH"), "HOME=/"};
    for (const auto& [name, value] : variables) {
      environment.push_back(name + "=" + value);
    }
    std::vector<char*> arguments;
    std::vector<char*> pairs;
    for (const std::string& word : words) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    for (const std::string& pair : environment) {
      pairs.push_back(const_cast<char*>(pair.c_str()));
    }
    arguments.push_back(nullptr);
    pairs.push_back(nullptr);
    if (::chdir(directory.c_str()) != 0) {
      ::_exit(126);
    }
    ::execvpe(arguments.front(), arguments.data(), pairs.data());
    ::_exit(127);
  }

  /// One line of standard output, as soon as it is there.
  std::string line() {
    std::string text;
    char c = 0;
    while (::read(out_[0], &c, 1) == 1 && c != '\n') {
      text += c;
    }
    return text;
  }
  void interrupt() const { ::kill(child_, SIGINT); }
  int wait() const {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  Ran finish() {
    Ran ran;
    // Standard error is short; it cannot fill its pipe while this one is read.
    ran.out = read_all(out_[0]);
    ran.err = read_all(err_[0]);
    ran.exit_code = wait();
    ::close(out_[0]);
    ::close(err_[0]);
    return ran;
  }
  static std::string read_all(int descriptor) {
    std::string text;
    std::array<char, 65536> piece{};
    for (;;) {
      const ssize_t got = ::read(descriptor, piece.data(), piece.size());
      if (got > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        return text;  // a terminal whose other end is closed gives EIO
      }
    }
  }

 private:
  std::array<int, 2> out_{};
  std::array<int, 2> err_{};
  pid_t child_ = -1;
};

class CliTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;

  static Words command(Words words) {
    words.insert(words.begin(), SELVEDGE_PROGRAM);
    return words;
  }
  Ran run(Words words) const {
    return Process(command(std::move(words)), directory.root(), variables).finish();
  }
  /// In bash, with `selvedge` in the path.
  Ran shell(const std::string& line) const {
    auto more = variables;
    more["PATH"] =
        std::filesystem::path(SELVEDGE_PROGRAM).parent_path().string() + ":" + std::getenv("PATH");
    return Process({"bash", "-c", line}, directory.root(), more).finish();
  }
  /// On a terminal of 100 columns.
  Ran run_on_terminal(Words words) const {
    Ran ran;
    int terminal = -1;
    winsize size{};
    size.ws_row = 40;
    size.ws_col = 100;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
    EXPECT_GE(child, 0);
    if (child == 0) {
      auto more = variables;
      more.try_emplace("TERM", "xterm");
      Process::become(command(std::move(words)), directory.root(), more);
    }
    ran.out = Process::read_all(terminal);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ::close(terminal);
    ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ran;
  }

  /// Succeeds, and says nothing on standard error.
  std::string good(Words words) const {
    const Ran ran = run(words);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "") << words.front();
    return ran.out;
  }
  /// One JSON text.
  rapidjson::Document json(Words words) const {
    words.push_back("--json");
    const std::string text = good(words);
    rapidjson::Document document;
    EXPECT_FALSE(document.Parse(text.c_str()).HasParseError()) << text;
    return document;
  }
  /// One JSON text in each line.
  std::vector<rapidjson::Document> json_lines(Words words) const {
    words.push_back("--json");
    return parse_lines(good(words));
  }
  static std::vector<rapidjson::Document> parse_lines(const std::string& text) {
    std::vector<rapidjson::Document> documents;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_NE(end, std::string::npos) << "the last line has no end";
      const std::string line = text.substr(at, end - at);
      EXPECT_FALSE(documents.emplace_back().Parse(line.c_str()).HasParseError()) << line;
      at = end + 1;
    }
    return documents;
  }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  [[nodiscard]] std::string path(const std::string& name) const { return directory.path(name); }
  static Options quiet_options() {
    Options options;
    options.background_maintenance = false;
    return options;
  }
  /// Ada knows Charles, who knows Ada and Byron; Ada was changed once.
  void make_people(const std::string& name = "people") {
    auto store = Store::open(path(name), quiet_options());
    ASSERT_TRUE(store) << store.error().message();
    const auto written = store->transact([&](Transaction& tx) -> Result<NodeId> {
      SELVEDGE_TRY(ada, tx.create_node({"Person"}, {{"name", "Ada"}, {"born", 1815}}));
      SELVEDGE_TRY(charles, tx.create_node({"Person"}, {{"name", "Charles"}}));
      SELVEDGE_TRY(byron, tx.create_node({"Person", "Poet"}, {{"name", "Byron"}}));
      SELVEDGE_TRY(knows, tx.create_edge(ada, "KNOWS", charles, {{"since", 1833}}));
      SELVEDGE_TRY(tx.create_edge(charles, "KNOWS", ada));
      SELVEDGE_TRY(tx.create_edge(charles, "KNOWS", byron));
      return ada;
    });
    ASSERT_TRUE(written) << written.error().message();
    auto change = store->begin({.metadata = {{"who", "tester"}}});
    ASSERT_TRUE(change);
    ASSERT_TRUE(change->set(ada, {{"born", 1816}, {"title", "Countess"}}));
    ASSERT_TRUE(change->commit());
    transaction = *change->uuid();
    ASSERT_TRUE(store->close());
  }
  /// Turns over one byte.
  void damage(const std::string& file, std::uint64_t offset) const {
    std::fstream stream(path(file), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(offset));
    const int byte = stream.get();
    ASSERT_NE(byte, EOF) << file;
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.put(static_cast<char>(byte ^ 0xff));
    ASSERT_TRUE(stream.good());
  }
  static std::string text(NodeId id) { return std::to_string(id.value); }
  static std::string text(EdgeId id) { return std::to_string(id.value); }

  test::TempDirectory directory;
  std::map<std::string, std::string> variables;
  NodeId ada;
  NodeId charles;
  NodeId byron;
  EdgeId knows;
  Uuid transaction;
};

}  // namespace selvedge
