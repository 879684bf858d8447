#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/model/training_data.hpp"

namespace mlpipe {

// Pixels of 8 bits, row by row, the channels of a pixel side by side.
struct Image {
  ImageSize size;
  std::int64_t channels = 3;  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels;
};

// An image is decoded only when its header announces no more pixels than this.
inline constexpr std::int64_t most_pixels = std::int64_t{1} << 26U;

// Decodes a whole file of at most `most` pixels, in as many channels (1 or 3) as it has itself, transparency
// over black. Throws Error with the reason alone: too large, damaged, cut off (also where the library would
// fill up what is missing).
Image decode_jpeg(std::string_view bytes, std::int64_t most = most_pixels);
Image decode_png(std::string_view bytes, std::int64_t most = most_pixels);
// The one that the bytes begin like, whatever the file is called.
Image decode_image(std::string_view bytes, std::int64_t most = most_pixels);

// Reads and decodes a file. Throws Error with the reason alone.
Image read_image(const std::filesystem::path& path);

// Grey from red, green and blue as JPEG weighs them (ITU-R BT.601), or the same grey three times.
Image with_channels(Image image, std::int64_t channels);

// Brought to another size: each new pixel is a weighed mean of the old ones under it, or a bilinear blend
// where it becomes larger.
Image resized(Image image, const ImageSize& size);

// The pixels as an example takes them, [channels, height, width].
void write_planes(const Image& image, std::span<float> values);

}  // namespace mlpipe
