#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// How a Dockerfile is built.
struct DockerfileUse {
  std::string target;                       // the stage to end with; empty: the last
  std::map<std::string, std::string> args;  // of --build-arg
  std::string platform;                     // "linux/arm64"; empty: this machine's
};

// One instruction, its continued lines put together, without comments.
struct Instruction {
  std::size_t line = 0;  // of its beginning, from 1
  std::string name;      // in upper case: "FROM"
  std::string rest;      // what follows the name

  friend bool operator==(const Instruction&, const Instruction&) = default;
};

// Texts of heredocs are no part of an instruction, and none themselves.
std::vector<Instruction> instructions_of(std::string_view dockerfile);

// The images that building it takes from outside, each once, in the order of their places: those of FROM,
// COPY --from and RUN --mount=from that are no stages, of the stages that the target needs. ARGs before the
// first FROM are replaced as Docker does it. What only the builder can know (a name that other variables
// are part of) is left out. Throws Error for a target that is no stage.
std::vector<std::string> base_images(std::string_view dockerfile, const DockerfileUse& use);

// Whether a RUN has a --mount, which only BuildKit and buildah know.
bool uses_mounts(std::string_view dockerfile);

}  // namespace mlpipe
