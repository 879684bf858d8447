#include "server/protocol/v2/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/protocol/inference_call.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/check.hpp"

namespace mlpipe {
namespace {

constexpr auto longest_timeout = std::chrono::hours(24);

EngineClock::time_point deadline_of(const CheckedRequest& checked, const InferClient& client) {
  if (!checked.timeout) {
    return client.deadline;
  }
  const auto timeout = std::min<std::chrono::microseconds>(*checked.timeout, longest_timeout);
  return std::min(client.deadline, EngineClock::now() + timeout);
}

Shape with_batch(const Shape& shape) {
  Shape whole = {-1};
  whole.insert(whole.end(), shape.begin(), shape.end());
  return whole;
}

class EngineService : public InferenceService {
 public:
  explicit EngineService(Engine& engine) : engine_(engine) {}

  bool is_ready() const override { return engine_.state().phase == EngineState::Phase::serving; }

  bool is_ready(const std::string& model, const std::string& version) override {
    described_version(engine_, model, version);
    return true;
  }

  ServerDescription describe_server() const override { return {"mlpipe-serve", MLPIPE_VERSION}; }

  ModelDescription describe_model(const std::string& name, const std::string& version_name) override {
    const std::shared_ptr<const ModelVersion> version = described_version(engine_, name, version_name);
    const Model& model = version->model();
    ModelDescription description{model.name, {}, "mlpipe_libtorch", {}, {}};
    for (const VersionStatistics& each : statistics(model.name, "")) {
      description.versions.push_back(each.version);
    }
    description.inputs.push_back({model.input_name, "FP32", with_batch(model.input_shape)});
    description.outputs.push_back({scores_output, "FP32", with_batch(model.output_shape())});
    if (has_label(model)) {
      description.outputs.push_back({label_output, "BYTES", {-1}});
    }
    return description;
  }

  std::vector<VersionStatistics> statistics(const std::string& name,
                                            const std::string& version_name) override {
    if (!version_name.empty()) {
      const std::shared_ptr<const ModelVersion> version = described_version(engine_, name, version_name);
      return {{version->model().name, version->label(), version->counts()}};
    }
    std::vector<VersionStatistics> all;
    for (const ServedModel& model : engine_.state().models) {
      for (const ServedModel::Version& each : model.versions) {
        if (name.empty() || model.name == name) {
          all.push_back({model.name, each.version->label(), each.version->counts()});
        }
      }
    }
    if (all.empty() && !name.empty()) {
      serving_version(engine_, name, "");  // says what is there instead
    }
    return all;
  }

  void infer(const std::string& model, const std::string& version_name, const ReadInferRequest& read,
             const InferClient& client, std::function<void(const InferResult&)> done) override {
    try {
      submit(serving_version(engine_, model, version_name), read, client, done);
    } catch (...) {
      done(failure_of(std::current_exception(), "infer"));
    }
  }

 private:
  static void submit(const std::shared_ptr<const ModelVersion>& version, const ReadInferRequest& read,
                     const InferClient& client, const std::function<void(const InferResult&)>& done) {
    struct Asked {
      std::optional<std::string> id;
      CheckedRequest checked;
    };
    const auto asked = std::make_shared<Asked>();
    const auto read_and_check = [&] {
      InferRequest request = read(version->model());
      asked->id = request.id;
      asked->checked = check_request(version->model(), std::move(request));
      ExamplesToScore examples;
      examples.rows = std::move(asked->checked.rows);
      examples.count = asked->checked.count;
      examples.deadline = deadline_of(asked->checked, client);
      examples.place = [asked](std::size_t example) {
        return fmt::format("{}: example {}", asked->checked.data_place, example);
      };
      if (client.started) {
        client.started(*version, examples.rows, examples.count);
      }
      return examples;
    };
    submit_examples(version, read_and_check, client.cancelled,
                    [version, asked, done](const std::exception_ptr& failure, const Inference& inference) {
                      if (failure) {
                        done(failure_of(failure, "infer"));
                      } else {
                        done(InferAnswer{version->model().name, version->label(), std::move(asked->id),
                                         outputs_of(version->model(), asked->checked, inference.scores)});
                      }
                    });
  }

  Engine& engine_;
};

}  // namespace

std::unique_ptr<InferenceService> make_inference_service(Engine& engine) {
  return std::make_unique<EngineService>(engine);
}

}  // namespace mlpipe
