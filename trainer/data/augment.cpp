#include "trainer/data/augment.hpp"

#include <algorithm>

namespace mlpipe {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): cheap to start anew for every example.
std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15U;
  std::uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31U);
}

struct Size {
  std::int64_t channels;
  std::int64_t height;
  std::int64_t width;
};

// Moves the image by `down` and `right`; what comes in from outside is zero.
void move(const Size& size, std::int64_t down, std::int64_t right, std::span<float> image,
          std::vector<float>& scratch) {
  scratch.assign(image.begin(), image.end());
  std::fill(image.begin(), image.end(), 0.0F);
  const std::int64_t first = std::max<std::int64_t>(0, right);
  const std::int64_t last = std::min(size.width, size.width + right);
  for (std::int64_t row = 0; row < size.channels * size.height; ++row) {
    const std::int64_t from = row % size.height - down;
    if (from < 0 || from >= size.height || first >= last) {
      continue;
    }
    const auto source = scratch.begin() + ((row - down) * size.width + first - right);
    std::copy(source, source + (last - first), image.begin() + (row * size.width + first));
  }
}

void mirror_rows(const Size& size, std::span<float> image) {
  for (auto row = image.begin(); row != image.end(); row += size.width) {
    std::reverse(row, row + size.width);
  }
}

void mirror_columns(const Size& size, std::span<float> image) {
  for (std::int64_t channel = 0; channel < size.channels; ++channel) {
    const auto plane = image.begin() + channel * size.height * size.width;
    for (std::int64_t top = 0, bottom = size.height - 1; top < bottom; ++top, --bottom) {
      std::swap_ranges(plane + top * size.width, plane + (top + 1) * size.width, plane + bottom * size.width);
    }
  }
}

}  // namespace

std::uint64_t example_seed(std::uint64_t epoch_seed, std::size_t example) {
  std::uint64_t state = epoch_seed;
  state = next_random(state) ^ example;
  return next_random(state);
}

void augment(const Augmentation& augmentation, const Shape& shape, std::uint64_t seed, std::span<float> image,
             std::vector<float>& scratch) {
  const Size size{shape[0], shape[1], shape[2]};
  if (augmentation.crop > 0) {
    const auto places = static_cast<std::uint64_t>(2 * augmentation.crop + 1);
    const std::int64_t down = static_cast<std::int64_t>(next_random(seed) % places) - augmentation.crop;
    const std::int64_t right = static_cast<std::int64_t>(next_random(seed) % places) - augmentation.crop;
    move(size, down, right, image, scratch);
  }
  if (augmentation.flip_horizontal && next_random(seed) % 2 == 0) {
    mirror_rows(size, image);
  }
  if (augmentation.flip_vertical && next_random(seed) % 2 == 0) {
    mirror_columns(size, image);
  }
}

}  // namespace mlpipe
