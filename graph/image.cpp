#include "graph/image.h"

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "graph/names.h"
#include "graph/value_codec.h"

namespace selvedge::graph {

bool ImageView::has_label(std::uint32_t id) const {
  for (std::size_t i = 0; i < labels_; ++i) {
    if (label(i) >= id) {
      return label(i) == id;
    }
  }
  return false;
}

ValueView ImageView::value(std::size_t index) const {
  const std::size_t begin = index == 0 ? heap() : end_of(index - 1);
  const auto tag = std::to_integer<std::uint8_t>(wide_ ? entry(index)[3] : entry(index)[2]);
  return {tag, {data_ + begin, end_of(index) - begin}};
}

ValueView ImageView::find(std::uint32_t wanted) const {
  std::size_t low = 0;
  std::size_t high = properties_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const std::uint32_t found = key(middle);
    if (found == wanted) {
      return value(middle);
    }
    if (found < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {};
}

Status ImageView::verify(std::span<const std::byte> image, bool node) {
  const auto bad = [](const char* what) {
    return fail(ErrorCode::corruption, std::string("a damaged image: ") + what);
  };
  if (image.empty()) {
    return {};
  }
  const auto form = std::to_integer<unsigned>(image[0]);
  if (form != 1 && form != 2) {
    return bad("unknown form");
  }
  if (image.size() < (form == 2 ? 8 : 4) || image.size() > limits::image_bytes_max) {
    return bad("its size");
  }
  const ImageView view(image);
  if (form == 1 && (image[3] != std::byte{0} || image.size() > 255)) {
    return bad("a compact form that is none");
  }
  if (view.labels_ == 0 && view.properties_ == 0) {
    return bad("an empty image with bytes");
  }
  if ((!node && view.labels_ != 0) || view.labels_ > limits::labels_max ||
      view.heap() > image.size()) {
    return bad("its counts");
  }
  std::uint32_t id_max = 0;
  for (std::size_t i = 0; i < view.labels_; ++i) {
    if ((i != 0 && view.label(i) <= view.label(i - 1)) || view.label(i) > name_id_max) {
      return bad("its labels");
    }
    id_max = view.label(i);
  }
  std::size_t end = view.heap();
  for (std::size_t i = 0; i < view.properties_; ++i) {
    if ((i != 0 && view.key(i) <= view.key(i - 1)) || view.end_of(i) < end ||
        view.end_of(i) > image.size()) {
      return bad("its directory");
    }
    const ValueView value = view.value(i);
    if (!valid_value(static_cast<Tag>(value.tag()), value.payload())) {
      return bad("a value");
    }
    end = view.end_of(i);
    id_max = std::max(id_max, view.key(i));
  }
  if (end != image.size()) {
    return bad("bytes behind its values");
  }
  if (form == 2) {
    const std::size_t compact = 4 + std::size_t{2} * view.labels_ +
                                std::size_t{4} * view.properties_ + image.size() - view.heap();
    if (id_max < 0x10000 && view.labels_ < 256 && view.properties_ < 256 && compact <= 255) {
      return bad("a wide form without need");
    }
  }
  return {};
}

// --- building ----------------------------------------------------------------------------------

void ImageBuilder::reset() {
  labels_.clear();
  items_.clear();
  heap_.clear();
}

void ImageBuilder::load(std::span<const std::byte> image) {
  reset();
  const ImageView view(image);
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    labels_.push_back(view.label(i));
  }
  for (std::size_t i = 0; i < view.property_count(); ++i) {
    const ValueView value = view.value(i);
    items_.push_back({view.key(i), value.tag(), heap_.size(), value.payload().size()});
    heap_.put_bytes(value.payload());
  }
}

void ImageBuilder::add_label(std::uint32_t id) {
  const auto at = std::lower_bound(labels_.begin(), labels_.end(), id);
  if (at == labels_.end() || *at != id) {
    labels_.insert(at, id);
  }
}

void ImageBuilder::remove_label(std::uint32_t id) {
  const auto at = std::lower_bound(labels_.begin(), labels_.end(), id);
  if (at != labels_.end() && *at == id) {
    labels_.erase(at);
  }
}

Status ImageBuilder::set(std::uint32_t key, const ValueArg& value) {
  const std::size_t offset = heap_.size();
  SELVEDGE_TRY(const Tag tag, put_value(heap_, value));
  const Item item{key, static_cast<std::uint8_t>(tag), offset, heap_.size() - offset};
  const auto at = std::lower_bound(items_.begin(), items_.end(), key,
                                   [](const Item& a, std::uint32_t b) { return a.key < b; });
  if (at != items_.end() && at->key == key) {
    *at = item;
  } else {
    items_.insert(at, item);
  }
  return {};
}

bool ImageBuilder::erase(std::uint32_t key) {
  const auto at = std::lower_bound(items_.begin(), items_.end(), key,
                                   [](const Item& a, std::uint32_t b) { return a.key < b; });
  if (at == items_.end() || at->key != key) {
    return false;
  }
  items_.erase(at);
  return true;
}

Result<std::span<const std::byte>> ImageBuilder::finish() {
  image_.clear();
  if (labels_.empty() && items_.empty()) {
    return image_.span();
  }
  if (labels_.size() > limits::labels_max) {
    return fail(ErrorCode::too_large, "a node has too many labels");
  }
  std::size_t payloads = 0;
  for (const Item& item : items_) {
    payloads += item.bytes;
  }
  const std::uint32_t id_max =
      std::max(labels_.empty() ? 0 : labels_.back(), items_.empty() ? 0 : items_.back().key);
  const std::size_t compact = 4 + 2 * labels_.size() + 4 * items_.size() + payloads;
  const bool wide =
      id_max >= 0x10000 || labels_.size() > 255 || items_.size() > 255 || compact > 255;
  const std::size_t total = wide ? 8 + 4 * labels_.size() + 8 * items_.size() + payloads : compact;
  if (total > limits::image_bytes_max) {
    return fail(Error(ErrorCode::too_large, "an entity's labels and properties are too large")
                    .mismatch("at most " + std::to_string(limits::image_bytes_max) + " bytes",
                              std::to_string(total)));
  }
  image_.reserve(total);
  std::size_t end = total - payloads;
  if (wide) {
    image_.put(static_cast<std::uint32_t>(2 | labels_.size() << 8));
    image_.put(static_cast<std::uint32_t>(items_.size()));
    for (const std::uint32_t label : labels_) {
      image_.put(label);
    }
    for (const Item& item : items_) {
      end += item.bytes;
      image_.put(item.key | static_cast<std::uint32_t>(item.tag) << 24);
      image_.put(static_cast<std::uint32_t>(end));
    }
  } else {
    image_.put(static_cast<std::uint32_t>(1 | labels_.size() << 8 | items_.size() << 16));
    for (const std::uint32_t label : labels_) {
      image_.put(static_cast<std::uint16_t>(label));
    }
    for (const Item& item : items_) {
      end += item.bytes;
      image_.put(static_cast<std::uint16_t>(item.key));
      image_.put(item.tag);
      image_.put(static_cast<std::uint8_t>(end));
    }
  }
  for (const Item& item : items_) {
    image_.put_bytes({heap_.data() + item.offset, item.bytes});
  }
  return image_.span();
}

}  // namespace selvedge::graph
