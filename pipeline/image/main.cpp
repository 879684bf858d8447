// mlpipe-image build|reference …: has a container engine build an image, or bring one of somebody else's, and
// writes down which it is. Exit status: 0 done, 1 failed, 2 wrong arguments.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/image/build_image.hpp"

namespace {

std::map<std::string, std::string> pairs_of(const std::vector<std::string>& texts, const char* option) {
  std::map<std::string, std::string> pairs;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw mlpipe::UsageError(fmt::format("{} {}: expected NAME=VALUE", option, mlpipe::printable(text)));
    }
    pairs[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return pairs;
}

void write_down(const mlpipe::BuiltImage& image, const std::string& output, const std::string& bases) {
  const auto write = [](const std::string& path, const nlohmann::json& content) {
    mlpipe::write_file_atomically(path, content.dump(2) + "\n", 0644, mlpipe::Durability::later);
  };
  write(output, {{"id", image.id}, {"name", image.name}});
  write(bases, image.bases);
  fmt::print("{}  {}\n", image.name, image.id);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Builds a container image, or brings one, by a container engine's own command line.",
               "mlpipe-image");
  app.require_subcommand(1);
  std::string engine_name, output, bases, reference;
  mlpipe::BuildRequest request;
  std::vector<std::string> args, labels;
  CLI::App* build = app.add_subcommand("build", "builds a Dockerfile");
  build->add_option("--dockerfile", request.dockerfile, "what is built")->required();
  build->add_option("--context", request.context, "the folder that it sees")->required();
  build->add_option("--name", request.name, "what the image is called, without a tag")->required();
  build->add_option("--target", request.target, "the stage to end with");
  build->add_option("--build-arg", args, "NAME=VALUE of an ARG")->allow_extra_args(false);
  build->add_option("--secret", request.secrets, "id=NAME,env=VARIABLE")->allow_extra_args(false);
  build->add_option("--label", labels, "NAME=VALUE on the image")->allow_extra_args(false);
  CLI::App* bring = app.add_subcommand("reference", "brings an image by its name");
  bring->add_option("--reference", reference, "its name, with or without a digest")->required();
  for (CLI::App* one : {build, bring}) {
    one->add_option("--engine", engine_name, "docker or podman")->required();
    one->add_option("--platform", request.platform, "as linux/arm64; none: the engine's own");
    one->add_option("--output", output, "where the image's id and name are written")->required();
    one->add_option("--bases", bases, "where the ids of the images that it is made from are written")
        ->required();
  }
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    request.args = pairs_of(args, "--build-arg");
    request.labels = pairs_of(labels, "--label");
    const auto engine = mlpipe::Engine::find(engine_name, mlpipe::own_environment());
    const std::optional<mlpipe::BuiltImage> image =
        bring->parsed() ? mlpipe::bring_image(engine, reference, request.platform)
                        : mlpipe::build_image(engine, request);
    if (!image) {
      return 1;
    }
    write_down(*image, output, bases);
    return 0;
  } catch (const mlpipe::Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "mlpipe-image: {}\n{}", error.what(),
               error.hint().empty() ? "" : fmt::format("  {}\n", error.hint()));
    return dynamic_cast<const mlpipe::UsageError*>(&error) != nullptr ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "mlpipe-image: {}\n", error.what());
    return 1;
  }
}
