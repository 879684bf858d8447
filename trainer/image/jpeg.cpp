#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
// libjpeg's header needs the one above.
#include <jerror.h>
#include <jpeglib.h>

#include "pipeline/base/error.hpp"
#include "trainer/image/image.hpp"

namespace mlpipe {
namespace {

// libjpeg is C and leaves by longjmp: between setjmp and there is nothing that has a destructor.
struct Failing {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is one to this
  std::jmp_buf back;
  char reason[JMSG_LENGTH_MAX];
};

void fail(j_common_ptr state) {
  auto* failing = reinterpret_cast<Failing*>(state->err);
  (*state->err->format_message)(state, failing->reason);
  std::longjmp(failing->back, 1);
}

// A warning is about data that is damaged or cut off, which libjpeg fills up with grey; but for bytes between
// its parts that mean nothing.
void fail_at_warning(j_common_ptr state, int level) {
  if (level < 0 && state->err->msg_code != JWRN_EXTRANEOUS_DATA) {
    fail(state);
  }
}

struct Decoder {
  jpeg_decompress_struct state{};
  Failing failing{};
  Image image;
  bool too_large = false;
};

// False when it failed.
bool decode(Decoder& decoder, std::string_view bytes, std::int64_t most) {
  jpeg_decompress_struct& state = decoder.state;
  if (setjmp(decoder.failing.back) != 0) {
    return false;
  }
  jpeg_create_decompress(&state);
  jpeg_mem_src(&state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&state, TRUE);
  decoder.image.size = {state.image_height, state.image_width};
  decoder.too_large = decoder.image.size.height * decoder.image.size.width > most;
  if (decoder.too_large) {
    return true;
  }
  state.out_color_space = state.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&state);
  decoder.image.channels = state.output_components;
  const std::size_t stride =
      std::size_t{state.output_width} * static_cast<std::size_t>(state.output_components);
  decoder.image.pixels.resize(stride * state.output_height);
  while (state.output_scanline < state.output_height) {
    JSAMPROW row = decoder.image.pixels.data() + state.output_scanline * stride;
    jpeg_read_scanlines(&state, &row, 1);
  }
  jpeg_finish_decompress(&state);
  return true;
}

}  // namespace

Image decode_jpeg(std::string_view bytes, std::int64_t most) {
  Decoder decoder;
  decoder.state.err = jpeg_std_error(&decoder.failing.manager);
  decoder.failing.manager.error_exit = fail;
  decoder.failing.manager.emit_message = fail_at_warning;
  const bool decoded = decode(decoder, bytes, most);
  jpeg_destroy_decompress(&decoder.state);
  if (!decoded) {
    throw Error(decoder.failing.reason);
  }
  if (decoder.too_large) {
    throw Error(fmt::format("it is {} pixels high and {} wide, more than {} in all",
                            decoder.image.size.height, decoder.image.size.width, most));
  }
  return std::move(decoder.image);
}

}  // namespace mlpipe
