#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/model.hpp"
#include "server/http/message.hpp"
#include "server/protocol/inference_call.hpp"

namespace mlpipe {

// The picture's bytes in a request: an upload by a form, a data URL ("data:image/png;base64,…": as the body,
// or as {"image": …} in JSON), or the body itself. Throws RequestError: 400 for what is none of them, 415 for
// another content type.
std::string picture_in(const Request& request);

// A JPEG or PNG as one raw example of the model: in its channels, at its size, 0 to 255 spread over its
// range. Throws RequestError 400 when the model takes no pictures, and for bytes that are no whole picture or
// one of too many pixels.
std::vector<float> example_from_picture(const Model& model, std::string_view bytes);

// Both: the one example of a request with a picture.
ExamplesToScore picture_example(const Model& model, const Request& request);

}  // namespace mlpipe
