#include "tests/trainer/image_files.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
// libjpeg's header needs the first one above.
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

namespace mlpipe::testing {
namespace {

std::string png_of(const ImageSize& size, png_uint_32 format, const void* pixels) {
  png_image state{};
  state.version = PNG_IMAGE_VERSION;
  state.height = static_cast<png_uint_32>(size.height);
  state.width = static_cast<png_uint_32>(size.width);
  state.format = format;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(state);
  std::string png(bytes, '\0');
  if (png_image_write_to_memory(&state, png.data(), &bytes, 0, pixels, 0, nullptr) == 0) {
    throw std::runtime_error(state.message);
  }
  png.resize(bytes);
  return png;
}

std::string big_endian(std::uint32_t number) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes += static_cast<char>(number >> shift & 0xFFU);
  }
  return bytes;
}

}  // namespace

std::string png_bytes(const Image& image) {
  return png_of(image.size, image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB, image.pixels.data());
}

std::string rgba_png_bytes(const ImageSize& size, const std::string& pixels) {
  return png_of(size, PNG_FORMAT_RGBA, pixels.data());
}

std::string lying_png_bytes(const Image& image, const ImageSize& announced) {
  constexpr std::size_t type_at = 12;  // behind the signature and the length of the first chunk
  constexpr std::size_t checked = 17;  // the type and what the chunk holds
  std::string png = png_bytes(image);
  png.replace(type_at + 4, 8,
              big_endian(static_cast<std::uint32_t>(announced.width)) +
                  big_endian(static_cast<std::uint32_t>(announced.height)));
  const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(png.data() + type_at), checked);
  png.replace(type_at + checked, 4, big_endian(static_cast<std::uint32_t>(sum)));
  return png;
}

std::string jpeg_bytes(const Image& image, int quality) {
  jpeg_compress_struct state{};
  jpeg_error_mgr errors{};
  state.err = jpeg_std_error(&errors);
  jpeg_create_compress(&state);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&state, &memory, &size);
  state.image_height = static_cast<JDIMENSION>(image.size.height);
  state.image_width = static_cast<JDIMENSION>(image.size.width);
  state.input_components = static_cast<int>(image.channels);
  state.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&state);
  jpeg_set_quality(&state, quality, TRUE);
  jpeg_start_compress(&state, TRUE);
  while (state.next_scanline < state.image_height) {
    auto* row = const_cast<unsigned char*>(image.pixels.data()) +
                static_cast<std::ptrdiff_t>(state.next_scanline) * image.size.width * image.channels;
    jpeg_write_scanlines(&state, &row, 1);
  }
  jpeg_finish_compress(&state);
  std::string bytes(reinterpret_cast<const char*>(memory), size);
  jpeg_destroy_compress(&state);
  std::free(memory);
  return bytes;
}

Image plain_image(const ImageSize& size, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Image image{size, 3, {}};
  for (std::int64_t i = 0; i < size.height * size.width; ++i) {
    image.pixels.insert(image.pixels.end(), {red, green, blue});
  }
  return image;
}

Image ramp_image(const ImageSize& size, std::int64_t channels) {
  Image image{size, channels, {}};
  for (std::int64_t i = 0; i < size.height * size.width * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(i * 7 % 251));
  }
  return image;
}

}  // namespace mlpipe::testing
