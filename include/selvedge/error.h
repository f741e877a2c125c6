// Errors are values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace selvedge {

enum class ErrorCode : std::uint8_t {
  invalid_argument,     ///< the call can never succeed as it is
  not_found,            ///< no such entity, name, file
  already_exists,       ///< a thing of that name is there
  conflict,             ///< another transaction got there first: run the transaction again
  has_edges,            ///< delete of a node with edges without detach
  constraint_violated,  ///< a constraint of the schema does not allow it
  too_large,            ///< a name, value, image or transaction over its limit
  finished,             ///< operation on a committed or aborted transaction
  locked,               ///< the store is open elsewhere
  not_a_store,          ///< the path holds something else
  newer_format,         ///< written by a later version of this library
  permission_denied,    ///< the system refuses access
  disk_full,            ///< no room for the log; writing resumes when there is
  out_of_memory,        ///< Options::memory_limit_bytes is reached, or the system refuses
  io,                   ///< a system call failed
  corruption,           ///< bytes on disk that cannot be right
  poisoned,             ///< the log failed earlier; reopen the store
  unknown_outcome,      ///< the log failed during this commit: it may or may not be durable
  not_retained,         ///< that point in history is gone
  read_only,            ///< the store was opened for reading
  closed,               ///< the store is closed
  exhausted,            ///< no ids left
  unsupported,          ///< not in this build or on this platform
};

std::string_view to_string(ErrorCode code);

/// What went wrong: one owning pointer. A moved-from error may only be destroyed or assigned.
/// Thread-safe to read from several threads. Creating one may throw std::bad_alloc.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string what);
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  ~Error() = default;

  /// The file and the byte offset.
  Error&& at(std::string path, std::optional<std::uint64_t> offset = std::nullopt) &&;
  Error&& mismatch(std::string expected, std::string found) &&;
  /// errno of the failed system call.
  Error&& os(int error_number) &&;
  /// The entity that the error is about, and the transaction that holds it.
  Error&& with_entity(std::uint64_t raw_id) &&;
  Error&& with_other(std::uint64_t transaction) &&;
  [[nodiscard]] Error clone() const;

  [[nodiscard]] ErrorCode code() const { return detail_->code; }
  /// One sentence: where, what, expected, found.
  [[nodiscard]] const std::string& message() const { return detail_->message; }
  [[nodiscard]] const std::string& what() const { return detail_->what; }
  [[nodiscard]] const std::string& path() const { return detail_->path; }
  [[nodiscard]] std::optional<std::uint64_t> offset() const { return detail_->offset; }
  [[nodiscard]] const std::string& expected() const { return detail_->expected; }
  [[nodiscard]] const std::string& found() const { return detail_->found; }
  [[nodiscard]] int os_error() const { return detail_->os_error; }
  [[nodiscard]] std::uint64_t entity() const { return detail_->entity; }
  [[nodiscard]] std::uint64_t other_transaction() const { return detail_->other; }

 private:
  struct Detail {
    ErrorCode code{};
    int os_error = 0;
    std::optional<std::uint64_t> offset;
    std::uint64_t entity = 0;
    std::uint64_t other = 0;
    std::string what;
    std::string path;
    std::string expected;
    std::string found;
    std::string message;
  };
  void compose();
  std::unique_ptr<Detail> detail_;
};
static_assert(sizeof(Error) == sizeof(void*));

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// Shorthand for returning an error.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(ErrorCode code, std::string what) {
  return tl::unexpected<Error>(Error(code, std::move(what)));
}

}  // namespace selvedge

/// `SELVEDGE_TRY(expression)` returns the error of a Result, or goes on.
/// `SELVEDGE_TRY(auto name, expression)` also takes the value out.
#define SELVEDGE_TRY(...) \
  SELVEDGE_TRY_PICK_(__VA_ARGS__, SELVEDGE_TRY_N_, SELVEDGE_TRY_N_, SELVEDGE_TRY_N_, \
                     SELVEDGE_TRY_N_, SELVEDGE_TRY_N_, SELVEDGE_TRY_N_, SELVEDGE_TRY_N_, \
                     SELVEDGE_TRY_1_, 0) \
  (__VA_ARGS__)
#define SELVEDGE_TRY_PICK_(a1, a2, a3, a4, a5, a6, a7, a8, pick, ...) pick
#define SELVEDGE_TRY_JOIN2_(a, b) a##b
#define SELVEDGE_TRY_JOIN_(a, b) SELVEDGE_TRY_JOIN2_(a, b)
#define SELVEDGE_TRY_1_(expression) \
  SELVEDGE_TRY_CHECK_(SELVEDGE_TRY_JOIN_(selvedge_try_, __COUNTER__), expression)
#define SELVEDGE_TRY_CHECK_(result, expression) \
  do { \
    auto result = (expression); \
    if (!result) { \
      return ::tl::unexpected<::selvedge::Error>(std::move(result).error()); \
    } \
  } while (false)
#define SELVEDGE_TRY_N_(declaration, ...) \
  SELVEDGE_TRY_DECLARE_(SELVEDGE_TRY_JOIN_(selvedge_try_, __COUNTER__), declaration, __VA_ARGS__)
#define SELVEDGE_TRY_DECLARE_(result, declaration, ...) \
  auto result = (__VA_ARGS__); \
  if (!result) { \
    return ::tl::unexpected<::selvedge::Error>(std::move(result).error()); \
  } \
  declaration = *std::move(result)
