#include "trainer/image/image.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

// The old pixels that a new one is made of, along one direction.
struct Blend {
  std::int64_t first = 0;
  std::vector<float> weights;  // their sum is 1
};

// A triangle over the new pixel's middle, as wide as it must be for every old pixel to count.
std::vector<Blend> blends(std::int64_t from, std::int64_t to) {
  const double ratio = static_cast<double>(from) / static_cast<double>(to);
  const double radius = std::max(1.0, ratio);
  std::vector<Blend> result;
  for (std::int64_t i = 0; i < to; ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * ratio;
    Blend blend;
    blend.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(middle - radius + 0.5)));
    const auto end = std::min(from, static_cast<std::int64_t>(std::floor(middle + radius + 0.5)));
    double sum = 0;
    for (std::int64_t old = blend.first; old < end; ++old) {
      const double distance = std::abs(static_cast<double>(old) + 0.5 - middle) / radius;
      blend.weights.push_back(static_cast<float>(std::max(0.0, 1 - distance)));
      sum += blend.weights.back();
    }
    for (float& weight : blend.weights) {
      weight = static_cast<float>(weight / sum);
    }
    result.push_back(std::move(blend));
  }
  return result;
}

// [lines, from, inner] to [lines, to, inner], along the middle.
template <typename Value>
std::vector<float> blend_along(const std::vector<Value>& values, std::int64_t lines, std::int64_t from,
                               std::int64_t to, std::int64_t inner) {
  const std::vector<Blend> all = blends(from, to);
  std::vector<float> result(static_cast<std::size_t>(lines * to * inner), 0.0F);
  float* out = result.data();
  for (std::int64_t line = 0; line < lines; ++line) {
    for (const Blend& blend : all) {
      const Value* in = values.data() + (line * from + blend.first) * inner;
      for (const float weight : blend.weights) {
        for (std::int64_t i = 0; i < inner; ++i) {
          out[i] += weight * static_cast<float>(in[i]);
        }
        in += inner;
      }
      out += inner;
    }
  }
  return result;
}

}  // namespace

Image decode_image(std::string_view bytes, std::int64_t most) {
  if (bytes.starts_with("\xFF\xD8\xFF")) {
    return decode_jpeg(bytes, most);
  }
  if (bytes.starts_with("\x89PNG")) {
    return decode_png(bytes, most);
  }
  throw Error(bytes.empty() ? "it is empty" : "it is neither JPEG nor PNG");
}

Image read_image(const std::filesystem::path& path) {
  constexpr std::uint64_t largest_file = std::uint64_t{1} << 28U;
  return decode_image(read_file(path, largest_file));
}

Image with_channels(Image image, std::int64_t channels) {
  if (image.channels == channels) {
    return image;
  }
  Image result{image.size, channels, {}};
  const std::size_t pixels = static_cast<std::size_t>(image.size.height * image.size.width);
  result.pixels.reserve(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    if (channels == 3) {
      result.pixels.insert(result.pixels.end(), 3, image.pixels[i]);
      continue;
    }
    const std::uint8_t* colour = image.pixels.data() + 3 * i;
    const float grey = 0.299F * colour[0] + 0.587F * colour[1] + 0.114F * colour[2];
    result.pixels.push_back(static_cast<std::uint8_t>(std::lround(grey)));
  }
  return result;
}

Image resized(Image image, const ImageSize& size) {
  if (image.size == size) {
    return image;
  }
  const std::vector<float> rows =
      blend_along(image.pixels, image.size.height, image.size.width, size.width, image.channels);
  const std::vector<float> both =
      blend_along(rows, 1, image.size.height, size.height, size.width * image.channels);
  Image result{size, image.channels, {}};
  result.pixels.reserve(both.size());
  for (const float value : both) {
    result.pixels.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F))));
  }
  return result;
}

void write_planes(const Image& image, std::span<float> values) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t plane = image.pixels.size() / channels;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t i = 0; i < plane; ++i) {
      values[channel * plane + i] = image.pixels[i * channels + channel];
    }
  }
}

}  // namespace mlpipe
