// mlpipe-registry: what mlpipe does with OCI registries and container engines' images. A program of its own,
// so that mlpipe starts without an HTTP library. Every command prints one JSON document on standard output;
// on standard error are progress and, last, what went wrong, with what can be done about it on lines of their
// own. Exit status: 0 done, 1 failed, 2 asked wrongly.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/commands.hpp"
#include "pipeline/oci/remote_command.hpp"

namespace {

using Chosen = std::function<void()>;

void add_model_image(CLI::App& app, Chosen& chosen) {
  auto* command =
      app.add_subcommand("model-image", "put a model on top of a server's image that an engine has");
  auto request = std::make_shared<mlpipe::ModelImageRequest>();
  command->add_option("--engine", request->engine, "docker or podman; whichever is there when not given");
  command->add_option("--server", request->server, "the server's image: a name or an id")->required();
  command->add_option("--model", request->model, "the folder that holds model.yaml")->required();
  command->add_option("--tag", request->tag, "the new image's name")->required();
  command->add_option("--label", request->labels, "NAME=VALUE, a label of the new image")
      ->allow_extra_args(false);
  command->callback([request, &chosen] { chosen = [request] { mlpipe::model_image_command(*request); }; });
}

void add_push(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "push",
      "write a model into a registry, as an image and as an artifact; its description is on standard input");
  auto request = std::make_shared<mlpipe::PushRequest>();
  command->add_option("--to", request->to, "HOST/REPOSITORY[:TAG]")->required();
  command->add_option("--version", request->version, "the tag where none is given")->required();
  command->add_option("--model", request->model, "the folder that holds model.yaml")->required();
  command->add_option("--server", request->server,
                      "the server's image, in a registry where its name has a host, else an engine's");
  command->add_option("--engine", request->engine, "docker or podman");
  command->add_option("--label", request->labels, "NAME=VALUE, a label of the image")
      ->allow_extra_args(false);
  command->callback([request, &chosen] { chosen = [request] { mlpipe::push_command(*request); }; });
}

void add_pull(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("pull", "bring a model out of a registry");
  auto request = std::make_shared<mlpipe::PullRequest>();
  command->add_option("reference", request->reference, "HOST/REPOSITORY:TAG")->required();
  command->add_option("--to", request->to, "the folder to make")->required();
  command->callback([request, &chosen] { chosen = [request] { mlpipe::pull_command(*request); }; });
}

void add_push_image(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("push-image", "bring an engine's image into a registry, once");
  auto request = std::make_shared<mlpipe::PushImageRequest>();
  command->add_option("--engine", request->engine, "docker or podman; whichever is there when not given");
  command->add_option("--image", request->image, "a name or an id")->required();
  command->add_option("--to", request->to, "HOST/REPOSITORY")->required();
  command->callback([request, &chosen] { chosen = [request] { mlpipe::push_image_command(*request); }; });
}

void add_resolve(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("resolve", "say by which digest a registry has an image");
  auto reference = std::make_shared<std::string>();
  auto platform = std::make_shared<std::string>();
  command->add_option("reference", *reference, "[HOST/]REPOSITORY[:TAG]")->required();
  command->add_option("--platform", *platform, "linux/ARCHITECTURE; this machine's when not given");
  command->callback([reference, platform, &chosen] {
    chosen = [reference, platform] { mlpipe::resolve_command(*reference, *platform); };
  });
}

void add_remote(CLI::App& app, Chosen& chosen) {
  auto* command =
      app.add_subcommand("remote", "bring results from and to a remote, as lines of JSON ask for");
  auto url = std::make_shared<std::string>();
  command->add_option("url", *url, "oci://HOST/REPOSITORY or s3://BUCKET/PREFIX")->required();
  command->callback([url, &chosen] { chosen = [url] { mlpipe::remote_command(*url); }; });
}

// The message, and on lines of their own what can be done about it.
void print(const mlpipe::Error& error) {
  fmt::print(stderr, "{}\n{}", error.what(), error.hint().empty() ? "" : error.hint() + "\n");
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Models and images in OCI registries and container engines.", "mlpipe-registry");
  app.require_subcommand(1);
  Chosen chosen;
  add_model_image(app, chosen);
  add_push(app, chosen);
  add_pull(app, chosen);
  add_push_image(app, chosen);
  add_resolve(app, chosen);
  add_remote(app, chosen);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    chosen();
    return 0;
  } catch (const mlpipe::UsageError& error) {
    print(error);
    return 2;
  } catch (const mlpipe::Error& error) {
    print(error);
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
