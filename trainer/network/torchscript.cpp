#include "trainer/network/torchscript.hpp"

#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <sstream>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace jit = torch::jit;

// "[2, 2]", a size for each dimension that a window moves along.
std::string sizes(const Layer& layer, std::int64_t size) {
  return shape_text(Shape(layer.input.size() - 1, size));
}

// The body of forward: a line or two for each layer.
class ScriptWriter {
 public:
  // `self` is the expression for the module that holds the layers.
  void add(const std::vector<Layer>& layers, const std::string& self) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layer_ = &layers[i];
      self_ = fmt::format("getattr({}, \"{}\")", self, i);
      std::visit(*this, layers[i].operation);
    }
  }

  std::string text() const { return "def forward(self, x: Tensor) -> Tensor:\n" + lines_ + "    return x\n"; }

  void operator()(const Convolution& convolution) {
    call(convolution.dimensions == 1 ? "conv1d" : "conv2d",
         fmt::format("{0}.weight, {0}.bias, {1}, {2}", self_, sizes(*layer_, convolution.stride),
                     sizes(*layer_, convolution.padding)));
  }
  void operator()(const Linear&) { call("linear", fmt::format("{0}.weight, {0}.bias", self_)); }
  void operator()(const Pooling& pooling) {
    call(fmt::format("{}_pool{}d", pooling.kind == Pooling::Kind::max ? "max" : "avg",
                     layer_->input.size() - 1),
         fmt::format("{}, {}", sizes(*layer_, pooling.kernel), sizes(*layer_, pooling.stride)));
  }
  void operator()(const AdaptivePooling& pooling) {
    const std::size_t dimensions = layer_->input.size() - 1;
    const std::string size = sizes(*layer_, pooling.size);
    if (pooling.kind == Pooling::Kind::max) {
      line(fmt::format("x, places = torch.adaptive_max_pool{}d(x, {})", dimensions, size));
    } else {
      call(fmt::format("adaptive_avg_pool{}d", dimensions), size);
    }
  }
  void operator()(const Activation& activation) {
    const bool softmax = activation.kind == Activation::Kind::softmax;
    call(layer_name(activation), softmax ? "1" : "");
  }
  void operator()(const BatchNorm&) {
    call("batch_norm", fmt::format("{0}.weight, {0}.bias, {0}.running_mean, {0}.running_var, False, 0.1, "
                                   "1.0e-05, False",
                                   self_));
  }
  void operator()(const LayerNorm&) {
    call("layer_norm", fmt::format("{0}, {1}.weight, {1}.bias, 1.0e-05", shape_text(layer_->input), self_));
  }
  void operator()(const Dropout&) {}  // answers do without
  void operator()(const Embedding&) {
    constexpr int int64 = 4;  // the number of the type in TorchScript
    line(fmt::format("x = torch.transpose(torch.embedding({}.weight, torch.to(x, {})), 1, 2)", self_, int64));
  }
  void operator()(const Flatten&) { call("flatten", "1"); }
  void operator()(const Residual& residual) {
    const std::string input = fmt::format("input{}", residuals_++);
    line(fmt::format("{} = x", input));
    add(residual.layers, std::string(self_));
    line(fmt::format("x = {} + x", input));
  }

 private:
  void call(const std::string& function, const std::string& arguments) {
    line(fmt::format("x = torch.{}(x{}{})", function, arguments.empty() ? "" : ", ", arguments));
  }
  void line(const std::string& text) { lines_ += "    " + text + "\n"; }

  std::string lines_;
  const Layer* layer_ = nullptr;
  std::string self_;
  int residuals_ = 0;
};

// The modules that hold the tensors, by the parts of their names: "3.0.weight" is `weight` of `0` of `3`.
class TensorTree {
 public:
  explicit TensorTree(const std::vector<NamedTensor>& weights) : weights_(weights) {}

  jit::Module build(const std::vector<Layer>& layers, const std::string& prefix) {
    jit::Module module = make_module(prefix);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const std::string inner = fmt::format("{}{}.", prefix, i);
      const auto* residual = std::get_if<Residual>(&layers[i].operation);
      module.register_module(std::to_string(i),
                             residual == nullptr ? build_leaf(inner) : build(residual->layers, inner));
    }
    return module;
  }

 private:
  // Each has a type of its own, named after its place, so that the file's names do not hang on their order.
  jit::Module make_module(const std::string& prefix) {
    std::string name = "Network";
    for (const std::string& part : split(prefix, '.')) {
      name += part.empty() ? "" : "_" + part;
    }
    return jit::Module(c10::QualifiedName("__torch__." + name), unit_);
  }

  jit::Module build_leaf(const std::string& prefix) {
    jit::Module module = make_module(prefix);
    for (const NamedTensor& weight : weights_) {
      if (weight.name.starts_with(prefix)) {
        const at::Tensor view =
            at::from_blob(const_cast<float*>(weight.values.data()), weight.shape, at::kFloat);
        const std::string name = weight.name.substr(prefix.size());
        module.register_parameter(name, view.clone(), name.starts_with("running_"));
      }
    }
    return module;
  }

  const std::vector<NamedTensor>& weights_;
  std::shared_ptr<jit::CompilationUnit> unit_ = std::make_shared<jit::CompilationUnit>();
};

}  // namespace

std::optional<std::string> write_torchscript(const Network& network, const std::vector<NamedTensor>& weights,
                                             const std::filesystem::path& file) {
  std::ostringstream bytes;
  try {
    jit::Module module = TensorTree(weights).build(network.layers, "");
    ScriptWriter script;
    script.add(network.layers, "self");
    module.define(script.text());
    module.eval();
    module.save(bytes);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  write_file_atomically(file, bytes.str());
  return std::nullopt;
}

}  // namespace mlpipe
