#include <fmt/format.h>
#include <png.h>

#include "pipeline/base/error.hpp"
#include "trainer/image/image.hpp"

namespace mlpipe {
namespace {

// Frees what libpng's simplified interface keeps between its calls.
struct Reading {
  Reading() { state.version = PNG_IMAGE_VERSION; }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { png_image_free(&state); }
  png_image state{};
};

}  // namespace

Image decode_png(std::string_view bytes, std::int64_t most) {
  Reading reading;
  png_image& state = reading.state;
  if (png_image_begin_read_from_memory(&state, bytes.data(), bytes.size()) == 0) {
    throw Error(state.message);
  }
  Image image;
  image.size = {state.height, state.width};
  if (image.size.height * image.size.width > most) {
    throw Error(fmt::format("it is {} pixels high and {} wide, more than {} in all", state.height,
                            state.width, most));
  }
  const bool grey = (state.format & PNG_FORMAT_FLAG_COLOR) == 0;
  state.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  image.channels = grey ? 1 : 3;
  image.pixels.resize(PNG_IMAGE_SIZE(state));
  const png_color black{0, 0, 0};
  // A warning that is left in the message afterwards is about what comes behind the pixels.
  if (png_image_finish_read(&state, &black, image.pixels.data(), 0, nullptr) == 0) {
    throw Error(state.message);
  }
  return image;
}

}  // namespace mlpipe
