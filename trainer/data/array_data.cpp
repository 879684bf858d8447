#include "trainer/data/array_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::vector<std::int64_t> classes_of(const std::vector<std::int64_t>& numbers,
                                     const std::vector<std::int64_t>& known, const std::string& name) {
  std::vector<std::int64_t> classes;
  classes.reserve(numbers.size());
  for (const std::int64_t number : numbers) {
    const auto found = std::lower_bound(known.begin(), known.end(), number);
    if (found == known.end() || *found != number) {
      throw UsageError(
          fmt::format("{}: the test part has the label '{}', which the training part has not", name, number));
    }
    classes.push_back(found - known.begin());
  }
  return classes;
}

Targets values_of(const NumericArray& targets, const NumericArray& examples) {
  if (targets.shape.empty() || targets.shape.size() > 2 || element_count(targets.shape) == 0) {
    throw UsageError(
        fmt::format("{}: it has the shape {}, which is no targets", targets.name, shape_text(targets.shape)),
        "a regression takes [count] or [count, targets]");
  }
  require_as_many(targets, examples);
  Targets result;
  result.width = targets.shape.size() == 2 ? static_cast<std::size_t>(targets.shape[1]) : 1;
  result.values.resize(element_count(targets.shape));
  read_numbers(targets, 0, result.values);
  const auto wrong = std::find_if(result.values.begin(), result.values.end(),
                                  [](float value) { return !std::isfinite(value); });
  if (wrong != result.values.end()) {
    throw UsageError(fmt::format(
        "{}: example {} is to be answered with {}, which is no number to compute with", targets.name,
        static_cast<std::size_t>(wrong - result.values.begin()) / result.width, *wrong));
  }
  return result;
}

std::vector<std::string> target_names(std::size_t width) {
  if (width == 1) {
    return {"y"};
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < width; ++i) {
    names.push_back(fmt::format("y{}", i));
  }
  return names;
}

void require_same_shape(const RawData& data, const ArrayPair& training, const ArrayPair& test) {
  const Shape shape = example_shape(test.examples);
  if (shape != data.shape) {
    throw UsageError(fmt::format("{}: its examples have the shape {}, and those of {} have {}",
                                 test.examples.name, shape_text(shape), training.examples.name,
                                 shape_text(data.shape)));
  }
}

Part part_of(ArrayPair pair, Targets targets) {
  std::string name = pair.examples.name;
  return whole_part(examples_of(std::move(pair.examples)), std::move(targets), std::move(name));
}

}  // namespace

RawData data_from_arrays(std::string source, ArrayPair training, std::optional<ArrayPair> test, Task task) {
  RawData data;
  data.source = std::move(source);
  data.shape = example_shape(training.examples);
  if (test) {
    require_same_shape(data, training, *test);
  }
  if (task == Task::regression) {
    Targets targets = values_of(training.targets, training.examples);
    data.labels = target_names(targets.width);
    if (test) {
      Targets held_out = values_of(test->targets, test->examples);
      if (held_out.width != targets.width) {
        throw UsageError(fmt::format("{}: it has {} for each example, and {} has {}", test->targets.name,
                                     count_of(held_out.width, "target"), training.targets.name,
                                     targets.width));
      }
      data.test = part_of(std::move(*test), std::move(held_out));
    }
    data.all = part_of(std::move(training), std::move(targets));
    return data;
  }
  const std::vector<std::int64_t> numbers = labels_of(training.targets, training.examples);
  std::vector<std::int64_t> known = numbers;
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const std::int64_t number : known) {
    data.labels.push_back(std::to_string(number));
  }
  if (test) {
    auto classes = classes_of(labels_of(test->targets, test->examples), known, test->targets.name);
    data.test = part_of(std::move(*test), {std::move(classes), {}, 1});
  }
  data.all = part_of(std::move(training), {classes_of(numbers, known, data.source), {}, 1});
  return data;
}

RawData data_from_names(const NamedArrays& names, const std::vector<std::string>& there,
                        const FindArray& find, const ReadOptions& options) {
  const auto need = [&](const std::string& name) {
    auto array = find(name);
    if (!array) {
      throw UsageError(fmt::format("{}: there is no array '{}' in it", names.file.string(), name),
                       suggest_name(name, there));
    }
    return std::move(*array);
  };
  ArrayPair training{need(names.images), need(names.labels)};
  std::optional<ArrayPair> test;
  const bool has_test = std::find(there.begin(), there.end(), names.test_images) != there.end();
  if (options.with_test && (names.test_required || has_test)) {
    test = ArrayPair{need(names.test_images), need(names.test_labels)};
  }
  return data_from_arrays(names.file.string(), std::move(training), std::move(test), options.task);
}

}  // namespace mlpipe
