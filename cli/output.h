// What people and programs see: tables, facts, JSON, colour, progress.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <selvedge/value.h>

namespace selvedge::cli {

enum class ColorMode : std::uint8_t { automatic, always, never };

enum class Style : std::uint8_t { plain, bold, dim, good, bad, warning };

/// Role: standard output and standard error, and what they can do.
/// Threads: one.
/// After failure: what could not be written is told by `finish`.
class Output {
 public:
  Output();
  void choose_color(ColorMode mode);
  void choose_progress(bool wanted) { progress_wanted_ = wanted; }

  /// To standard output. Nothing is added.
  void print(std::string_view text);
  void line(std::string_view text);
  /// To standard error, with a line feed; a progress bar makes room.
  void note(std::string_view text);
  /// Text in a style, if standard output shows colours.
  [[nodiscard]] std::string styled(Style style, std::string_view text) const;
  [[nodiscard]] std::string styled_error(Style style, std::string_view text) const;
  /// Columns of the terminal; 0 when standard output is none.
  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] bool shows_progress() const { return progress_wanted_ && error_terminal_; }
  void progress_line(std::string_view text);
  void clear_progress();
  /// Writes out what is buffered, now.
  void flush();
  /// errno of the first write that failed, 0 = none.
  [[nodiscard]] int finish();

 private:
  [[nodiscard]] static std::string paint(Style style, std::string_view text);
  bool terminal_ = false;
  bool error_terminal_ = false;
  bool color_ = false;
  bool error_color_ = false;
  bool progress_wanted_ = true;
  bool progress_shown_ = false;
  std::size_t width_ = 0;
  int fault_ = 0;
};

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

/// Role: rows under titles, as wide as their content. The widths of a long table are those of its
///   first rows, so that it can be printed as it comes.
/// Threads: one. After failure: `Output` knows.
class Table {
 public:
  Table(Output& output, std::vector<Column> columns);
  /// One text for each column. Control characters are made visible.
  void row(std::vector<std::string> cells);
  /// Prints what is left; a table without rows prints nothing.
  void finish();
  [[nodiscard]] std::size_t rows() const { return count_; }

 private:
  static constexpr std::size_t measured_rows = 200;
  void measure();
  void put(const std::vector<std::string>& cells, Style style);
  Output& output_;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> waiting_;
  std::vector<std::size_t> widths_;
  bool measured_ = false;
  std::size_t count_ = 0;
};

/// Role: names and values, one pair in each line, under a heading.
class Facts {
 public:
  explicit Facts(Output& output) : output_(output) {}
  void add(std::string name, std::string value, Style style = Style::plain);
  void print(std::string_view heading = {});

 private:
  struct Fact {
    std::string name;
    std::string value;
    Style style;
  };
  Output& output_;
  std::vector<Fact> facts_;
};

/// Role: a bar on standard error, if that is a terminal; nothing otherwise. It disappears.
class ProgressBar {
 public:
  ProgressBar(Output& output, std::string what) : output_(output), what_(std::move(what)) {}
  ~ProgressBar() { output_.clear_progress(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  /// `total` 0: not known.
  void show(std::uint64_t done, std::uint64_t total);
  void rename(std::string what) { what_ = std::move(what); }

 private:
  Output& output_;
  std::string what_;
  std::uint64_t shown_us_ = 0;
};

/// Visible columns of a text: its code points.
std::size_t columns_of(std::string_view text);
std::string first_columns(const std::string& text, std::size_t columns);
/// Control characters, and bytes that are no UTF-8, as \xNN: what a store holds must not steer a
/// terminal.
std::string visible(std::string_view text);
/// 1234567 as "1,234,567".
std::string with_commas(std::uint64_t number);
/// "1.5 MiB".
std::string human_bytes(std::uint64_t bytes);
/// "1.25 s", "310 ms".
std::string human_duration(std::uint64_t microseconds);
/// "2026-11-21T17:13:06.250000Z"
std::string iso_time(Timestamp time);
std::string plural(std::uint64_t count, std::string_view one, std::string_view many = {});

}  // namespace selvedge::cli
