// Images: sorted, canonical, and checked completely before anybody looks inside.
#include "graph/image.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "graph/names.h"
#include "graph/value_codec.h"

namespace selvedge::graph {
namespace {

using Image = std::vector<std::byte>;

/// What an image says, as plain containers.
struct Content {
  std::set<std::uint32_t> labels;
  std::map<std::uint32_t, Value> properties;
  bool operator==(const Content&) const = default;
};

Content read(std::span<const std::byte> image) {
  const ImageView view(image);
  Content content;
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    content.labels.insert(view.label(i));
  }
  for (std::size_t i = 0; i < view.property_count(); ++i) {
    content.properties.emplace(view.key(i), view.value(i).to_value());
  }
  return content;
}

class Images : public testing::Test {
 protected:
  static constexpr bool node = true;
  static constexpr bool edge = false;

  Image finish() {
    const auto image = builder.finish();
    if (!image) {
      ADD_FAILURE() << image.error().message();
      return {};
    }
    return {image->begin(), image->end()};
  }
  Image build(const Content& content) {
    builder.reset();
    for (const std::uint32_t label : content.labels) {
      builder.add_label(label);
    }
    for (const auto& [key, value] : content.properties) {
      EXPECT_TRUE(builder.set(key, value));
    }
    return finish();
  }
  static unsigned form(const Image& image) { return std::to_integer<unsigned>(image.at(0)); }
  void expect_refused(const Image& image, const std::string& what, bool of_node = node) {
    const Status status = ImageView::verify(image, of_node);
    ASSERT_FALSE(status) << what;
    EXPECT_EQ(status.error().code(), ErrorCode::corruption);
    EXPECT_NE(status.error().message().find(what), std::string::npos) << status.error().message();
  }
  /// Labels 3 and 7; keys 2 = "ab", 5 = 1 in the compact form.
  Image compact() { return build({{3, 7}, {{2, "ab"}, {5, 1}}}); }
  /// The same with ids that need the wide form.
  Image wide() { return build({{3, 0x10000}, {{2, "ab"}, {5, 1}}}); }

  ImageBuilder builder;
};

TEST_F(Images, NothingHasNoBytes) {
  EXPECT_TRUE(finish().empty());
  const ImageView view({});
  EXPECT_EQ(view.label_count(), 0u);
  EXPECT_EQ(view.property_count(), 0u);
  EXPECT_FALSE(view.has_label(0));
  EXPECT_FALSE(view.find(0).present());
  EXPECT_TRUE(ImageView::verify({}, edge));
}

TEST_F(Images, CompactBytesAreAsDocumented) {
  const std::vector<unsigned> expected{1,   2,   2, 0,  3, 0, 7, 0,   // form, counts, labels
                                       2,   0,   9, 18, 5, 0, 4, 19,  // directory
                                       'a', 'b', 1};
  Image image;
  for (const unsigned byte : expected) {
    image.push_back(static_cast<std::byte>(byte));
  }
  EXPECT_EQ(compact(), image);
}

TEST_F(Images, WideBytesAreAsDocumented) {
  const std::vector<unsigned> expected{2, 2, 0,  0, 2, 0, 0, 0, 3, 0, 0,  0, 0, 0, 1,   0,   2, 0,
                                       0, 9, 34, 0, 0, 0, 5, 0, 0, 4, 35, 0, 0, 0, 'a', 'b', 1};
  Image image;
  for (const unsigned byte : expected) {
    image.push_back(static_cast<std::byte>(byte));
  }
  EXPECT_EQ(wide(), image);
}

TEST_F(Images, TheOrderOfBuildingDoesNotShow) {
  builder.add_label(7);
  ASSERT_TRUE(builder.set(5, 12345));
  ASSERT_TRUE(builder.set(9, "gone"));
  ASSERT_TRUE(builder.set(2, "ab"));
  builder.add_label(3);
  builder.add_label(8);
  builder.add_label(3);
  ASSERT_TRUE(builder.set(5, 1));
  EXPECT_TRUE(builder.erase(9));
  builder.remove_label(8);
  const Image built = finish();
  EXPECT_EQ(built, compact());
}

TEST_F(Images, WhatIsNotThereCannotBeRemoved) {
  builder.add_label(3);
  ASSERT_TRUE(builder.set(2, 1));
  builder.remove_label(2);
  builder.remove_label(4);
  EXPECT_FALSE(builder.erase(1));
  EXPECT_FALSE(builder.erase(3));
  EXPECT_EQ(read(finish()), (Content{{3}, {{2, 1}}}));
}

TEST_F(Images, NullIsAValueAndNotAbsence) {
  ASSERT_TRUE(builder.set(4, nullptr));
  const Image image = finish();
  const ImageView view(image);
  EXPECT_TRUE(view.find(4).present());
  EXPECT_EQ(view.find(4).type(), ValueType::null);
  EXPECT_FALSE(view.find(3).present());
}

TEST_F(Images, LookupsFindEveryKeyAndLabelAndNoOther) {
  for (const std::uint32_t step : {1u, 2u, 1000u}) {  // the last one needs the wide form
    Content content;
    for (std::uint32_t i = 0; i < 100; ++i) {
      content.labels.insert(5 + i * 2 * step);
      content.properties.emplace(7 + i * 2 * step, static_cast<std::int64_t>(i));
    }
    const Image image = build(content);
    const ImageView view(image);
    for (std::uint32_t i = 0; i < 100; ++i) {
      EXPECT_TRUE(view.has_label(5 + i * 2 * step));
      EXPECT_FALSE(view.has_label(6 + i * 2 * step));
      EXPECT_EQ(view.find(7 + i * 2 * step).as_int64(), i);
      EXPECT_FALSE(view.find(8 + i * 2 * step).present());
    }
    EXPECT_FALSE(view.has_label(0) || view.has_label(name_id_max));
    EXPECT_FALSE(view.find(0).present() || view.find(name_id_max).present());
  }
}

TEST_F(Images, TheFormChangesExactlyWhereTheCompactOneEnds) {
  EXPECT_EQ(form(build({{0xffff}, {{0xffff, 1}}})), 1u);
  EXPECT_EQ(form(build({{0x10000}, {}})), 2u);
  EXPECT_EQ(form(build({{}, {{0x10000, 1}}})), 2u);
  // Header 4, directory 4: 247 bytes of payload make 255.
  EXPECT_EQ(build({{}, {{1, std::string(247, 'x')}}}).size(), 255u);
  EXPECT_EQ(form(build({{}, {{1, std::string(247, 'x')}}})), 1u);
  EXPECT_EQ(form(build({{}, {{1, std::string(248, 'x')}}})), 2u);
  Content many;
  for (std::uint32_t i = 0; i < 125; ++i) {
    many.labels.insert(i);
  }
  EXPECT_EQ(form(build(many)), 1u);
  many.labels.insert(200);
  EXPECT_EQ(form(build(many)), 2u);
}

TEST_F(Images, LoadingAndFinishingGivesTheSameBytes) {
  for (const Image& image : {compact(), wide(), Image{}}) {
    builder.load(image);
    EXPECT_EQ(finish(), image);
  }
}

TEST_F(Images, ALoadedImageReplacesWhatTheBuilderHeld) {
  const Image image = compact();
  ASSERT_TRUE(builder.set(99, "old"));
  builder.load(image);
  ASSERT_TRUE(builder.set(2, nullptr));
  builder.remove_label(3);
  EXPECT_EQ(read(finish()), (Content{{7}, {{2, nullptr}, {5, 1}}}));
}

TEST_F(Images, ARefusedValueLeavesTheBuilderAsItWas) {
  const Image image = compact();
  EXPECT_EQ(builder.set(2, "\xff").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(builder.set(3, Value(List{1, "\xff"})).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(finish(), image);
}

TEST_F(Images, WhatIsTooLargeIsRefusedAndNamesTheLimit) {
  const std::size_t fits = limits::image_bytes_max - 16;
  ASSERT_TRUE(builder.set(1, std::string(fits, 'x')));
  EXPECT_EQ(finish().size(), limits::image_bytes_max);
  builder.add_label(1);
  const auto refused = builder.finish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::too_large);
  EXPECT_NE(refused.error().message().find(std::to_string(limits::image_bytes_max)),
            std::string::npos);
}

TEST_F(Images, TooManyLabelsAreRefused) {
  for (std::uint32_t i = 0; i < limits::labels_max; ++i) {
    builder.add_label(i);
  }
  const Image most = finish();
  EXPECT_TRUE(ImageView::verify(most, node));
  EXPECT_EQ(ImageView(most).label_count(), limits::labels_max);
  builder.add_label(limits::labels_max);
  EXPECT_EQ(builder.finish().error().code(), ErrorCode::too_large);
}

TEST_F(Images, RandomContentComesBackInEitherForm) {
  std::mt19937 source(7);
  const auto random = [&](std::uint32_t below) {
    return static_cast<std::uint32_t>(source() % below);
  };
  unsigned wide_images = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::uint32_t ids = round % 3 == 0 ? name_id_max + 1 : round % 3 == 1 ? 0x10000 : 40;
    Content content;
    for (std::uint32_t i = random(12); i > 0; --i) {
      content.labels.insert(random(ids));
    }
    for (std::uint32_t i = random(12); i > 0; --i) {
      content.properties[random(ids)] = std::string(random(40), 'v');
    }
    const Image image = build(content);
    ASSERT_TRUE(ImageView::verify(image, node)) << round;
    ASSERT_EQ(read(image), content) << round;
    wide_images += !image.empty() && form(image) == 2;
  }
  EXPECT_GT(wide_images, 100u);
}

// --- damage ------------------------------------------------------------------------------------

TEST_F(Images, AnEdgeHasNoLabels) {
  EXPECT_TRUE(ImageView::verify(build({{}, {{2, "ab"}}}), edge));
  expect_refused(compact(), "its counts", edge);
  expect_refused(wide(), "its counts", edge);
}

TEST_F(Images, EveryTruncationIsRefused) {
  for (const Image& whole : {compact(), wide()}) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const Image cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(ImageView::verify(cut, node)) << size;
    }
  }
}

TEST_F(Images, BytesBehindTheLastValueAreRefused) {
  for (Image image : {compact(), wide(), build({{3}, {}})}) {
    image.push_back(std::byte{0});
    expect_refused(image, "bytes behind its values");
  }
}

TEST_F(Images, AnUnknownFormIsRefused) {
  for (const unsigned wrong : {0u, 3u, 255u}) {
    Image image = compact();
    image[0] = static_cast<std::byte>(wrong);
    expect_refused(image, "unknown form");
  }
}

TEST_F(Images, AnEmptyImageWithAHeaderIsRefused) {
  expect_refused({std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0}}, "an empty image");
}

TEST_F(Images, IdsThatDoNotRiseAreRefused) {
  Image image = compact();
  std::swap(image[4], image[6]);
  expect_refused(image, "its labels");
  image = compact();
  image[6] = image[4];
  expect_refused(image, "its labels");
  image = compact();
  image[12] = image[8];
  expect_refused(image, "its directory");
}

TEST_F(Images, OffsetsThatFallOrLeaveTheImageAreRefused) {
  Image image = compact();
  image[11] = std::byte{15};  // inside the directory
  expect_refused(image, "its directory");
  image = compact();
  image[11] = std::byte{20};  // behind the end
  expect_refused(image, "its directory");
}

TEST_F(Images, ALabelBeyondTheDictionaryIsRefused) {
  Image image = wide();
  image[15] = std::byte{1};
  expect_refused(image, "its labels");
}

TEST_F(Images, AWideFormWithoutNeedIsRefused) {
  Image image = wide();
  image[14] = std::byte{0};
  image[13] = std::byte{1};  // label 0x100: the compact form can say that
  expect_refused(image, "a wide form without need");
}

TEST_F(Images, MoreLabelsThanANodeCanHaveAreRefused) {
  ByteWriter image;
  image.put(static_cast<std::uint32_t>(2 | (limits::labels_max + 1) << 8));
  image.put(std::uint32_t{0});
  for (std::uint32_t i = 0; i <= limits::labels_max; ++i) {
    image.put(i);
  }
  expect_refused({image.span().begin(), image.span().end()}, "its counts");
}

TEST_F(Images, HugeCountsAreRefusedBeforeAnythingIsRead) {
  Image image = wide();
  std::fill(image.begin() + 1, image.begin() + 8, std::byte{255});
  expect_refused(image, "its counts");
}

// The same content always gives the same bytes: what passes the check is what would be built.
TEST_F(Images, WhateverPassesTheCheckIsCanonical) {
  for (const Image& whole :
       {compact(), wide(), build({{1}, {{1, List{1, "x"}}, {2, Map{{"k", -0.0}}}, {4, true}}})}) {
    unsigned refused = 0;
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      Image damaged = whole;
      damaged[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      if (!ImageView::verify(damaged, node)) {
        ++refused;
        continue;
      }
      builder.load(damaged);
      ASSERT_EQ(finish(), damaged) << bit;
      ASSERT_EQ(build(read(damaged)), damaged) << bit;
    }
    EXPECT_GT(refused, whole.size());
  }
}

TEST_F(Images, RandomBytesNeverPassUnlessCanonical) {
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    Image image(random() % 40);
    for (std::byte& byte : image) {
      byte = static_cast<std::byte>(random() % 24);
    }
    if (!image.empty()) {
      image[0] = static_cast<std::byte>(1 + random() % 2);
    }
    if (ImageView::verify(image, node)) {
      ASSERT_EQ(build(read(image)), image) << round;
    }
  }
}

}  // namespace
}  // namespace selvedge::graph
