#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "server/engine/engine.hpp"
#include "server/http/message.hpp"
#include "server/protocol/input.hpp"

namespace mlpipe {

// What administration says of a version that is loaded.
nlohmann::ordered_json describe_version(const ModelVersion& version);

// Loads a version for a request and logs how it went: 200 and what serves now, 409 while another load is
// under way, 422 when the model cannot be loaded, and then the old ones go on serving. `field` is what
// messages name.
Response load_for_request(Engine& engine, const std::filesystem::path& directory, const std::string& label,
                          Engine::Takeover takeover, const char* field);

// "replace", which it is by default, or "beside"; RequestError 400 otherwise.
Engine::Takeover takeover_named(const JsonField& field, const std::string& name);

}  // namespace mlpipe
