#include "cli/output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace selvedge::cli {

namespace {

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return 80;
}

bool set_and_not_empty(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool is_dumb() {
  const char* terminal = std::getenv("TERM");
  return terminal == nullptr || std::string_view(terminal) == "dumb";
}

std::uint64_t now_us() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

/// Bytes of the UTF-8 sequence that begins here; 0 = none does.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  return length;
}

/// As wide as this, with a mark when something is left out.
std::string cut(const std::string& text, std::size_t columns) {
  return columns == 0 || columns_of(text) <= columns ? text
                                                     : first_columns(text, columns - 1) + "\u2026";
}

}  // namespace

// --- output ------------------------------------------------------------------------------------

Output::Output()
    : terminal_(::isatty(STDOUT_FILENO) == 1), error_terminal_(::isatty(STDERR_FILENO) == 1) {
  width_ = terminal_ ? terminal_width() : 0;
  choose_color(ColorMode::automatic);
}

void Output::choose_color(ColorMode mode) {
  const bool refused = set_and_not_empty("NO_COLOR") || is_dumb();
  const bool always = mode == ColorMode::always;
  color_ = always || (mode == ColorMode::automatic && terminal_ && !refused);
  error_color_ = always || (mode == ColorMode::automatic && error_terminal_ && !refused);
}

void Output::print(std::string_view text) {
  clear_progress();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && fault_ == 0) {
    fault_ = errno;
  }
}

void Output::line(std::string_view text) {
  print(text);
  print("\n");
}

void Output::note(std::string_view text) {
  clear_progress();
  flush();  // in the order in which a person would see it
  fmt::print(stderr, "{}\n", text);
}

std::string Output::paint(Style style, std::string_view text) {
  switch (style) {
    case Style::plain: return std::string(text);
    case Style::bold: return fmt::format("\033[1m{}\033[0m", text);
    case Style::dim: return fmt::format("\033[2m{}\033[0m", text);
    case Style::good: return fmt::format("\033[32m{}\033[0m", text);
    case Style::bad: return fmt::format("\033[1;31m{}\033[0m", text);
    case Style::warning: break;
  }
  return fmt::format("\033[33m{}\033[0m", text);
}

std::string Output::styled(Style style, std::string_view text) const {
  return color_ ? paint(style, text) : std::string(text);
}

std::string Output::styled_error(Style style, std::string_view text) const {
  return error_color_ ? paint(style, text) : std::string(text);
}

void Output::progress_line(std::string_view text) {
  fmt::print(stderr, "\r\033[K{}", text);
  std::fflush(stderr);
  progress_shown_ = true;
}

void Output::clear_progress() {
  if (progress_shown_) {
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
    progress_shown_ = false;
  }
}

void Output::flush() {
  if (std::fflush(stdout) != 0 && fault_ == 0) {
    fault_ = errno;
  }
}

int Output::finish() {
  clear_progress();
  flush();
  return fault_;
}

// --- tables ------------------------------------------------------------------------------------

Table::Table(Output& output, std::vector<Column> columns)
    : output_(output), columns_(std::move(columns)) {}

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) {
    cell = visible(cell);
  }
  cells.resize(columns_.size());
  ++count_;
  if (measured_) {
    put(cells, Style::plain);
    return;
  }
  waiting_.push_back(std::move(cells));
  if (waiting_.size() == measured_rows) {
    measure();
  }
}

void Table::measure() {
  measured_ = true;
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_of(columns_[i].title);
    for (const auto& cells : waiting_) {
      width = std::max(width, columns_of(cells[i]));
    }
    widths_.push_back(width);
    titles.push_back(columns_[i].title);
  }
  put(titles, Style::bold);
  for (const auto& cells : waiting_) {
    put(cells, Style::plain);
  }
  waiting_.clear();
}

void Table::put(const std::vector<std::string>& cells, Style style) {
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool last = i + 1 == cells.size();
    std::string cell = cells[i];
    if (last && output_.width() > used) {
      cell = cut(cell, output_.width() - used);
    }
    const std::size_t width = columns_of(cell);
    const std::string gap(widths_[i] > width ? widths_[i] - width : 0, ' ');
    if (columns_[i].align == Align::right) {
      line += gap + cell;
    } else {
      line += last ? cell : cell + gap;
    }
    line += last ? "" : "  ";
    used += std::max(widths_[i], width) + 2;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  output_.line(output_.styled(style, line));
}

void Table::finish() {
  if (!measured_ && !waiting_.empty()) {
    measure();
  }
}

void Facts::add(std::string name, std::string value, Style style) {
  facts_.push_back({std::move(name), visible(value), style});
}

void Facts::print(std::string_view heading) {
  if (!heading.empty()) {
    output_.line(output_.styled(Style::bold, heading));
  }
  std::size_t width = 0;
  for (const Fact& fact : facts_) {
    width = std::max(width, columns_of(fact.name));
  }
  for (const Fact& fact : facts_) {
    const std::string gap(width - columns_of(fact.name), ' ');
    output_.line((heading.empty() ? "" : "  ") + output_.styled(Style::dim, fact.name) + gap +
                 "  " + output_.styled(fact.style, fact.value));
  }
}

void ProgressBar::show(std::uint64_t done, std::uint64_t total) {
  constexpr std::uint64_t interval_us = 100000;
  const std::uint64_t now = now_us();
  if (!output_.shows_progress() || (shown_us_ != 0 && now - shown_us_ < interval_us)) {
    return;
  }
  shown_us_ = now;
  if (total == 0) {
    output_.progress_line(fmt::format("{} {}", what_, with_commas(done)));
    return;
  }
  constexpr std::uint64_t width = 30;
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<std::size_t>(part * static_cast<double>(width));
  output_.progress_line(fmt::format("{} [{}{}] {:3.0f} %", what_, std::string(full, '='),
                                    std::string(width - full, ' '), part * 100));
}

// --- texts -------------------------------------------------------------------------------------

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string first_columns(const std::string& text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t taken = 0; at < text.size() && taken < columns; ++taken) {
    at += std::max<std::size_t>(1, sequence_length(std::string_view(text).substr(at)));
  }
  return text.substr(0, at);
}

std::string visible(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0;
    if (length == 0 || byte < 0x20 || byte == 0x7f || c1) {
      shown += fmt::format("\\x{:02x}", c1 ? static_cast<unsigned char>(text[at + 1]) : byte);
    } else {
      shown.append(text, at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
  return shown;
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  double number = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (number >= 1024 && unit + 1 < units.size()) {
    number /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", number, units[unit]);
}

std::string human_duration(std::uint64_t microseconds) {
  if (microseconds < 1000) {
    return fmt::format("{} us", microseconds);
  }
  const double milliseconds = static_cast<double>(microseconds) / 1000;
  if (milliseconds < 1000) {
    return fmt::format("{:.{}f} ms", milliseconds, milliseconds < 10 ? 2 : 0);
  }
  return fmt::format("{:.2f} s", milliseconds / 1000);
}

std::string iso_time(Timestamp time) {
  constexpr std::int64_t second = 1000000;
  const std::int64_t part = ((time.microseconds % second) + second) % second;
  const std::time_t seconds = (time.microseconds - part) / second;
  std::tm parts{};
  std::array<char, 64> text{};
  if (::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return fmt::format("{} us", time.microseconds);
  }
  return fmt::format("{}.{:06}Z", text.data(), part);
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  if (count == 1) {
    return fmt::format("1 {}", one);
  }
  return many.empty() ? fmt::format("{} {}s", with_commas(count), one)
                      : fmt::format("{} {}", with_commas(count), many);
}

}  // namespace selvedge::cli
