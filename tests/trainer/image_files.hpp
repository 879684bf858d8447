#pragma once

#include <string>

#include "trainer/image/image.hpp"

namespace mlpipe::testing {

// The bytes of image files.
std::string png_bytes(const Image& image);
std::string jpeg_bytes(const Image& image, int quality = 95);
// A PNG with an alpha channel; `pixels` are red, green, blue, alpha.
std::string rgba_png_bytes(const ImageSize& size, const std::string& pixels);
// A PNG whose header announces another size than its pixels fill.
std::string lying_png_bytes(const Image& image, const ImageSize& announced);

// One colour all over.
Image plain_image(const ImageSize& size, std::uint8_t red, std::uint8_t green, std::uint8_t blue);
// One in which every pixel differs from its neighbours.
Image ramp_image(const ImageSize& size, std::int64_t channels);

}  // namespace mlpipe::testing
