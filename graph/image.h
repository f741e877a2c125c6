// The image: an entity's labels and properties in one block, the same bytes in memory, in the log
// and in snapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/value.h>

#include "base/bytes.h"

namespace selvedge::graph {

// An image without labels and properties has no bytes. Otherwise the first byte is its form.
//
// compact (all ids below 2^16, the image below 256 bytes):
//   0  u8 form = 1 | u8 labels | u8 properties | u8 0
//   4  u16 label ids, rising
//   .. directory, key ids rising: u16 key | u8 tag | u8 offset of the payload's end
//   .. payloads, in the directory's order
// wide:
//   0  u8 form = 2 | u24 labels
//   4  u32 properties
//   8  u32 label ids, rising
//   .. directory: u32 key | tag << 24, u32 offset of the payload's end
//   .. payloads
// Offsets count from the image's start. The same content always gives the same bytes.

/// Reads an image that has been checked (or was built here). Threads: any.
class ImageView {
 public:
  explicit ImageView(std::span<const std::byte> image) : data_(image.data()) {
    if (image.empty()) {
      return;
    }
    wide_ = image[0] == std::byte{2};
    if (wide_) {
      labels_ = load_le<std::uint32_t>(data_) >> 8;
      properties_ = load_le<std::uint32_t>(data_ + 4);
    } else {
      labels_ = std::to_integer<std::uint32_t>(image[1]);
      properties_ = std::to_integer<std::uint32_t>(image[2]);
    }
  }

  [[nodiscard]] std::size_t label_count() const { return labels_; }
  [[nodiscard]] std::uint32_t label(std::size_t index) const {
    return wide_ ? load_le<std::uint32_t>(data_ + 8 + index * 4)
                 : load_le<std::uint16_t>(data_ + 4 + index * 2);
  }
  [[nodiscard]] bool has_label(std::uint32_t id) const;
  [[nodiscard]] std::size_t property_count() const { return properties_; }
  [[nodiscard]] std::uint32_t key(std::size_t index) const {
    return wide_ ? load_le<std::uint32_t>(entry(index)) & 0xffffff
                 : load_le<std::uint16_t>(entry(index));
  }
  [[nodiscard]] ValueView value(std::size_t index) const;
  /// Absent when there is no such property.
  [[nodiscard]] ValueView find(std::uint32_t key) const;

  /// Checks untrusted bytes completely; `corruption` says what is wrong.
  static Status verify(std::span<const std::byte> image, bool node);

 private:
  [[nodiscard]] std::size_t directory() const {
    return wide_ ? 8 + std::size_t{4} * labels_ : 4 + std::size_t{2} * labels_;
  }
  [[nodiscard]] const std::byte* entry(std::size_t index) const {
    return data_ + directory() + index * (wide_ ? 8 : 4);
  }
  [[nodiscard]] std::size_t end_of(std::size_t index) const {
    return wide_ ? load_le<std::uint32_t>(entry(index) + 4)
                 : std::to_integer<std::size_t>(entry(index)[3]);
  }
  [[nodiscard]] std::size_t heap() const {
    return directory() + properties_ * std::size_t{wide_ ? 8u : 4u};
  }

  const std::byte* data_ = nullptr;
  std::uint32_t labels_ = 0;
  std::uint32_t properties_ = 0;
  bool wide_ = false;
};

/// Role: builds images; keeps its memory between uses.
/// Threads: one.
class ImageBuilder {
 public:
  void reset();
  /// Starts from an existing image.
  void load(std::span<const std::byte> image);
  void add_label(std::uint32_t id);
  void remove_label(std::uint32_t id);
  /// A null value is a value; `erase` removes.
  Status set(std::uint32_t key, const ValueArg& value);
  bool erase(std::uint32_t key);
  /// The image, valid until the next call of any kind. `too_large` above the limit.
  Result<std::span<const std::byte>> finish();

 private:
  struct Item {
    std::uint32_t key = 0;
    std::uint8_t tag = 0;
    std::size_t offset = 0;  ///< in heap_
    std::size_t bytes = 0;
  };
  std::vector<std::uint32_t> labels_;  // rising
  std::vector<Item> items_;            // rising keys
  ByteWriter heap_;
  ByteWriter image_;
};

}  // namespace selvedge::graph
