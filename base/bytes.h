// Explicit little-endian bytes: the only way in which numbers reach a file.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace selvedge {

static_assert(std::endian::native == std::endian::little,
              "a big-endian port needs byte swaps in load and store");

template <class T>
T load_le(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
void store_le(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
}

inline constexpr std::size_t varint_bytes_max = 10;

inline std::size_t varint_bytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}
inline std::byte* store_varint(std::byte* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<std::byte>(value);
  return to;
}

/// A growable buffer whose growth does not write zeros. Throws std::bad_alloc.
class ByteWriter {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::span<const std::byte> span() const { return {data_.get(), size_}; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }
  void truncate(std::size_t size) { size_ = size; }

  /// Room for `bytes` more; returns where they go. They count only after `commit`.
  std::byte* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) {
      grow(bytes);
    }
    return data_.get() + size_;
  }
  void commit(std::size_t bytes) { size_ += bytes; }

  template <class T>
  void put(T value) {
    store_le(reserve(sizeof(T)), value);
    size_ += sizeof(T);
  }
  void put_varint(std::uint64_t value) {
    std::byte* at = reserve(varint_bytes_max);
    size_ += static_cast<std::size_t>(store_varint(at, value) - at);
  }
  void put_bytes(std::span<const std::byte> bytes) {
    if (!bytes.empty()) {
      std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  /// Length first.
  void put_text(std::string_view text) {
    put_varint(text.size());
    put_bytes(as_bytes(text));
  }
  void put_zeros(std::size_t bytes) {
    std::memset(reserve(bytes), 0, bytes);
    size_ += bytes;
  }

 private:
  void grow(std::size_t bytes) {
    std::size_t capacity = capacity_ * 2;
    if (capacity < size_ + bytes) {
      capacity = size_ + bytes;
    }
    if (capacity < 256) {
      capacity = 256;
    }
    std::unique_ptr<std::byte[]> grown(new std::byte[capacity]);
    if (size_ != 0) {
      std::memcpy(grown.get(), data_.get(), size_);
    }
    data_ = std::move(grown);
    capacity_ = capacity;
  }
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Reads untrusted bytes. After the first read past the end or malformed number every read gives
/// zero or nothing and `ok()` is false: check once at the end of a record.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t remaining() const { return ok_ ? bytes_.size() - position_ : 0; }
  [[nodiscard]] bool at_end() const { return ok_ && position_ == bytes_.size(); }
  void fail() { ok_ = false; }

  template <class T>
  T take() {
    if (!need(sizeof(T))) {
      return T{};
    }
    const T value = load_le<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  /// Strict LEB128: the shortest form only.
  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(take<std::byte>());
      if (!ok_ || (shift == 63 && byte > 1) || (byte == 0 && shift != 0)) {
        break;
      }
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    ok_ = false;
    return 0;
  }
  std::span<const std::byte> take_bytes(std::uint64_t count) {
    if (!need(count)) {
      return {};
    }
    const auto result = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return result;
  }
  std::span<const std::byte> take_rest() { return take_bytes(remaining()); }
  std::string_view take_text() { return as_text(take_bytes(take_varint())); }

 private:
  bool need(std::uint64_t count) {
    ok_ = ok_ && count <= bytes_.size() - position_;
    return ok_;
  }
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace selvedge
