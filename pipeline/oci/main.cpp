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

using Chosen = std::function<int()>;  // the exit status

Chosen done(const std::function<void()>& command) {
  return [command] {
    command();
    return 0;
  };
}

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
  command->callback(
      [request, &chosen] { chosen = done([request] { mlpipe::model_image_command(*request); }); });
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
  command->callback([request, &chosen] { chosen = done([request] { mlpipe::push_command(*request); }); });
}

void add_pull(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("pull", "bring a model out of a registry");
  auto request = std::make_shared<mlpipe::PullRequest>();
  command->add_option("reference", request->reference, "HOST/REPOSITORY:TAG")->required();
  command->add_option("--to", request->to, "the folder to make")->required();
  command->callback([request, &chosen] { chosen = done([request] { mlpipe::pull_command(*request); }); });
}

void add_push_image(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("push-image", "bring an engine's image into a registry, once");
  auto request = std::make_shared<mlpipe::PushImageRequest>();
  command->add_option("--engine", request->engine, "docker or podman; whichever is there when not given");
  command->add_option("--image", request->image, "a name or an id")->required();
  command->add_option("--to", request->to, "HOST/REPOSITORY")->required();
  command->callback(
      [request, &chosen] { chosen = done([request] { mlpipe::push_image_command(*request); }); });
}

void add_resolve(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("resolve", "say by which digest a registry has an image");
  auto request = std::make_shared<mlpipe::ResolveRequest>();
  command->add_option("reference", request->reference, "[HOST/]REPOSITORY[:TAG]")->required();
  command->add_option("--platform", request->platform, "linux/ARCHITECTURE; this machine's when not given");
  command->add_option("--output", request->output, "a file for what is printed");
  command->add_option("--bases", request->bases, "a file that says that it was made from no other image");
  command->callback([request, &chosen] { chosen = done([request] { mlpipe::resolve_command(*request); }); });
}

void add_remote(CLI::App& app, Chosen& chosen) {
  auto* command =
      app.add_subcommand("remote", "bring results from and to a remote, as lines of JSON ask for");
  auto url = std::make_shared<std::string>();
  command->add_option("url", *url, "oci://HOST/REPOSITORY or s3://BUCKET/PREFIX")->required();
  command->callback([url, &chosen] { chosen = done([url] { mlpipe::remote_command(*url); }); });
}

void add_volume(CLI::App& app, Chosen& chosen) {
  const auto add = [&](const std::string& name, const std::string& text, void (*run)(const std::string&)) {
    CLI::App* command = app.add_subcommand(name, text);
    auto url = std::make_shared<std::string>();
    command->add_option("url", *url, "dir:///FOLDER")->required();
    command->callback([url, run, &chosen] { chosen = done([url, run] { run(*url); }); });
  };
  add("serve-remote", "wait in a pod that has a volume, for as long as it is used",
      mlpipe::serve_remote_command);
  add("pipe-remote", "do with a folder what requests on standard input ask for", mlpipe::pipe_remote_command);
}

void add_pod(CLI::App& app, Chosen& chosen) {
  struct Request {
    std::string url;
    std::string job;
    std::filesystem::path directory;
  };
  const auto add = [&app](const std::string& name, const std::string& text) {
    CLI::App* command = app.add_subcommand(name, text);
    auto request = std::make_shared<Request>();
    command->add_option("url", request->url, "the remote")->required();
    command->add_option("job", request->job, "the job's name there")->required();
    command->add_option("directory", request->directory, "the job's folder")->required();
    return std::pair(command, request);
  };
  const auto [bring, to] = add("pod-bring", "lay out the folder of a step's job, in its pod");
  bring->callback([request = to, &chosen] {
    chosen = done([request] { mlpipe::pod_bring_command(request->url, request->job, request->directory); });
  });
  const auto [record, from] = add("pod-record", "wait for a step's job in its pod, and record what it made");
  record->callback([request = from, &chosen] {
    chosen = [request] { return mlpipe::pod_record_command(request->url, request->job, request->directory); };
  });
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
  add_volume(app, chosen);
  add_pod(app, chosen);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return chosen();
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
