#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/model/network.hpp"

namespace mlpipe {

// The words that activations are written with.
std::string activation_name(Activation::Kind kind);
std::optional<Activation::Kind> activation_named(std::string_view word);

}  // namespace mlpipe
