#include "server/protocol/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "pipeline/base/base64.hpp"
#include "pipeline/base/text.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/multipart.hpp"
#include "trainer/image/image.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t most_pixels_of_a_request = std::int64_t{1} << 24U;

std::string bytes_of_data_url(std::string_view url, const std::string& field) {
  const std::size_t comma = url.find(',');
  const std::string_view head = url.substr(0, comma);
  if (comma == std::string_view::npos || !head.ends_with(";base64")) {
    throw RequestError(400, field + ": a data URL is expected, data:image/png;base64,…");
  }
  std::string_view data = url.substr(comma + 1);
  while (!data.empty() && std::isspace(static_cast<unsigned char>(data.back())) != 0) {
    data.remove_suffix(1);
  }
  std::optional<std::string> bytes = decode_base64(data);
  if (!bytes) {
    throw RequestError(400, field + ": what follows the comma is no base64");
  }
  return std::move(*bytes);
}

std::string bytes_in_json(const Request& request) {
  const JsonBody body(request);
  const JsonField image = JsonBody::fields(body.object(), "", {"image"})[0];
  if (!image) {
    throw RequestError(400, R"(image: it is missing, send {"image": "data:image/png;base64,…"})");
  }
  return bytes_of_data_url(read_text(*image, "image"), "image");
}

}  // namespace

std::string picture_in(const Request& request) {
  const std::string type = media_type(request);
  if (type == "multipart/form-data") {
    return uploaded_file(request.header("Content-Type"), request.body);
  }
  if (type == "application/json") {
    return bytes_in_json(request);
  }
  // What curl and simple clients send without being told passes too; the bytes say what they are.
  constexpr std::string_view others[] = {"", "text/plain", "application/octet-stream",
                                         "application/x-www-form-urlencoded"};
  if (!type.starts_with("image/") &&
      std::find(std::begin(others), std::end(others), type) == std::end(others)) {
    throw RequestError(415,
                       fmt::format("Content-Type: '{}' is not read here, send image/jpeg, image/png, a form "
                                   "with a file, or a data URL",
                                   printable(type.substr(0, 100))));
  }
  if (request.body.empty()) {
    throw RequestError(400, "body: it is empty, a picture is expected");
  }
  return request.body.starts_with("data:") ? bytes_of_data_url(request.body, "body") : request.body;
}

std::vector<float> example_from_picture(const Model& model, std::string_view bytes) {
  if (!model.is_image() || (model.input_shape[0] != 1 && model.input_shape[0] != 3)) {
    throw RequestError(
        400, fmt::format("the model '{}' takes no pictures, send its values to /predict", model.name));
  }
  Image image;
  try {
    image = decode_image(bytes, most_pixels_of_a_request);
  } catch (const Error& failure) {
    throw RequestError(400, fmt::format("picture: {}", failure.what()));
  }
  const Shape& shape = model.input_shape;
  image = resized(with_channels(std::move(image), shape[0]), {shape[1], shape[2]});
  std::vector<float> values(model.values());
  write_planes(image, values);
  constexpr float brightest = 255;
  if (model.least != 0 || model.most != brightest) {
    for (float& value : values) {
      value = model.least + value * ((model.most - model.least) / brightest);
    }
  }
  return values;
}

ExamplesToScore picture_example(const Model& model, const Request& request) {
  ExamplesToScore example;
  example.rows = example_from_picture(model, picture_in(request));
  example.count = 1;
  example.place = [](std::size_t) { return std::string("picture"); };
  return example;
}

}  // namespace mlpipe
