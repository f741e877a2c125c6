// The manifest's text.

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "fuzz/repair.h"
#include "snapshot/manifest.h"

namespace selvedge::fuzz {

namespace {

void run(Input input) {
  const auto parsed = snapshot::Manifest::parse(as_text(input), "/MANIFEST");
  if (!parsed) {
    require_answer(parsed.error(), {ErrorCode::corruption, ErrorCode::newer_format});
    return;
  }
  const std::string text = parsed->to_json();
  require(text == as_text(input), "only what to_json writes is accepted");
  const auto again = must(snapshot::Manifest::parse(text, "/MANIFEST"), "a manifest can be read");
  require(again == *parsed, "a manifest is written as it was read");
}

void repair(std::span<std::byte> input, std::uint64_t) { repair_manifest(input); }

std::vector<Buffer> seeds() {
  auto result = golden_files("MANIFEST");
  result.push_back(buffer_of(snapshot::Manifest{}.to_json()));
  return result;
}

}  // namespace

const Target manifest_target{"manifest", run, repair, seeds, std::size_t{1} << 20, 256};

}  // namespace selvedge::fuzz
