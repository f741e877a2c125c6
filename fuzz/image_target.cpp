// Images of entities.
//
// Input: u8 (bit 0: a node) | image.

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "fuzz/memory_files.h"
#include "graph/change.h"
#include "graph/image.h"
#include "graph/names.h"
#include "snapshot/snapshot_reader.h"

namespace selvedge::fuzz {

namespace {

using graph::ImageBuilder;
using graph::ImageView;

Buffer finish(ImageBuilder& builder) {
  const auto bytes = must(builder.finish(), "an image can be built");
  return {bytes.begin(), bytes.end()};
}

/// From the values alone.
Buffer build_again(const ImageView& view) {
  ImageBuilder builder;
  builder.reset();
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    builder.add_label(view.label(i));
  }
  for (std::size_t i = view.property_count(); i > 0; --i) {
    const Value value = view.value(i - 1).to_value();
    must(builder.set(view.key(i - 1), value), "a value can be set");
  }
  return finish(builder);
}

void check_lookups(const ImageView& view) {
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    require(view.label(i) <= graph::name_id_max, "a label is a name's id");
    require(view.has_label(view.label(i)), "a label is found");
  }
  for (std::size_t i = 0; i < view.property_count(); ++i) {
    require(view.key(i) <= graph::name_id_max, "a key is a name's id");
    const ValueView value = view.value(i);
    const ValueView found = view.find(view.key(i));
    require(found.present() && found.tag() == value.tag() &&
                found.payload().data() == value.payload().data() &&
                found.payload().size() == value.payload().size(),
            "a property is found by its key");
  }
}

void run(Input input) {
  if (input.empty()) {
    return;
  }
  const bool node = (input[0] & std::byte{1}) != std::byte{0};
  // Of its own, so that a byte read behind the end is seen.
  const Buffer image(input.begin() + 1, input.end());
  if (const Status sound = ImageView::verify(image, node); !sound) {
    require_answer(sound.error(), {ErrorCode::corruption});
    return;
  }
  const ImageView view(image);
  check_lookups(view);
  ImageBuilder builder;
  builder.load(image);
  require(finish(builder) == image, "an image is built as it was");
  require(build_again(view) == image, "the same content gives the same bytes");
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  const auto add = [&](bool node, Input image) {
    Buffer seed = {node ? std::byte{1} : std::byte{0}};
    seed.insert(seed.end(), image.begin(), image.end());
    result.push_back(std::move(seed));
  };
  for (const Buffer& file : golden_files("snapshots/")) {
    const auto files = memory_files({{"/s.snap", file}});
    const auto reader =
        must(snapshot::SnapshotReader::open(*files, "/s.snap"), "a golden snapshot");
    for (std::size_t i = 0; i < reader.chunks().size(); ++i) {
      const auto chunk = must(reader.load(i), "a golden chunk");
      if (chunk.info().type == snapshot::ChunkType::nodes) {
        must(chunk.nodes([&](const auto& record) {
          add(true, record.image);
          return Status{};
        }),
             "golden nodes");
      } else if (chunk.info().type == snapshot::ChunkType::edges) {
        must(chunk.edges([&](const auto& record) {
          add(false, record.image);
          return Status{};
        }),
             "golden edges");
      }
    }
  }
  ImageBuilder wide;
  wide.reset();
  wide.add_label(3);
  wide.add_label(1 << 16);
  must(wide.set(1 << 20, Value(List{Value(1), Value("two")})), "a value can be set");
  must(wide.set(7, Value(Map{{"a", Value(1.5)}, {"b", Value()}})), "a value can be set");
  add(true, finish(wide));
  return result;
}

}  // namespace

// An element of a list is two bytes at least, and an owned value 40 and what its list keeps free.
const Target image_target{"image", run, nullptr, seeds, std::size_t{1} << 20, 512};

}  // namespace selvedge::fuzz
