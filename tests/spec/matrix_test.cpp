#include <gtest/gtest.h>

#include <map>
#include <set>

#include "pipeline/base/text.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

Spec read(const std::string& steps, const std::vector<std::string>& set = {}) {
  return read_spec("/project/pipeline.yaml",
                   parse_yaml("pipeline.yaml", "name: p\nparams: { a: 1 }\nsteps:\n" + steps), {set});
}

// "NAME: command" of each step.
std::vector<std::string> commands(const Spec& spec) {
  std::vector<std::string> found;
  for (const Step& step : spec.steps) {
    found.push_back(step.name + ": " + join(std::get<RunAction>(step.action).arguments, " | "));
  }
  return found;
}

TEST(Matrix, GivesAStepForEachCombinationInOrder) {
  const Spec spec =
      read("  t: { run: 'echo ${{ matrix.lr }} ${{ matrix.w }}', matrix: { lr: [0.1, 1e-3], w: [x, y] } }\n");
  EXPECT_EQ(commands(spec),
            (std::vector<std::string>{"t[lr=0.1,w=x]: echo 0.1 x", "t[lr=0.1,w=y]: echo 0.1 y",
                                      "t[lr=1e-3,w=x]: echo 1e-3 x", "t[lr=1e-3,w=y]: echo 1e-3 y"}));
  EXPECT_EQ(spec.groups.at("t").members.size(), 4U);
  EXPECT_TRUE(spec.groups.at("t").fail_fast);
  EXPECT_EQ(spec.steps_named("t").size(), 4U);
  EXPECT_EQ(spec.steps_named("t[lr=0.1,w=x]").size(), 1U);
  EXPECT_TRUE(spec.steps_named("t[lr=0.1]").empty());
  EXPECT_EQ(spec.steps.front().matrix, (std::map<std::string, std::string>{{"lr", "0.1"}, {"w", "x"}}));
}

// The example of GitHub Actions' documentation, with the combinations that it lists.
TEST(Matrix, IncludesAsGitHubActionsDoes) {
  const Spec spec = read(R"(  t:
    run: echo
    matrix:
      fruit: [apple, pear]
      animal: [cat, dog]
      include:
        - { color: green }
        - { color: pink, animal: cat }
        - { fruit: apple, shape: circle }
        - { fruit: banana }
        - { fruit: banana, animal: cat }
)");
  std::vector<std::string> found;
  for (const Step& step : spec.steps) {
    std::string values;
    for (const auto& [name, value] : step.matrix) {
      values += " " + name + "=" + value;
    }
    found.push_back(step.name + values);
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{
                "t[fruit=apple,animal=cat] animal=cat color=pink fruit=apple shape=circle",
                "t[fruit=apple,animal=dog] animal=dog color=green fruit=apple shape=circle",
                "t[fruit=pear,animal=cat] animal=cat color=pink fruit=pear",
                "t[fruit=pear,animal=dog] animal=dog color=green fruit=pear", "t[fruit=banana] fruit=banana",
                "t[fruit=banana,animal=cat] animal=cat fruit=banana"}));
}

TEST(Matrix, ExcludesWhatHoldsAllOfOne) {
  const Spec spec =
      read("  t: { run: echo, matrix: { a: [1, 2], b: [1, 2], exclude: [{ a: 1, b: 2 }, { a: 2 }] } }\n");
  EXPECT_EQ(spec.step_names(), std::vector<std::string>{"t[a=1,b=1]"});
  const Spec only_included = read("  t: { run: echo, matrix: { include: [{ a: 1 }, { a: 2, b: x }] } }\n");
  EXPECT_EQ(only_included.step_names(), (std::vector<std::string>{"t[a=1]", "t[a=2,b=x]"}));
}

// These are for ever: another generator would throw everybody's results away.
TEST(Matrix, DrawsTheSameSamplesForEver) {
  const std::string ranges =
      "lr: { log-uniform: [1e-4, 1e-1] }, drop: { uniform: [0, 0.5] }, "
      "width: { integer: [8, 64] }, act: { choice: [relu, tanh] }";
  const auto names = [&](const std::string& rules) {
    return read("  t: { run: echo, matrix: { " + ranges + ", " + rules + " } }\n").step_names();
  };
  const std::vector<std::string> three = names("samples: 3");
  EXPECT_EQ(three, (std::vector<std::string>{"t[lr=0.0243285,drop=0.0166294,width=9,act=relu]",
                                             "t[lr=0.0103421,drop=0.0020646,width=63,act=relu]",
                                             "t[lr=0.00187778,drop=0.324646,width=32,act=tanh]"}));
  const std::vector<std::string> five = names("samples: 5");
  EXPECT_EQ(std::vector(five.begin(), five.begin() + 3), three);
  EXPECT_EQ(names("samples: '${{ params.a }}'").size(), 1U);
  EXPECT_NE(names("samples: 3, seed: 1"), three);
  EXPECT_EQ(names("samples: 3, seed: 0"), three);
}

TEST(Matrix, DrawsWithinItsRanges) {
  const Spec spec = read(
      "  t: { run: echo, matrix: { a: { log-uniform: [1e-4, 1e-1] }, b: { uniform: [-1, 1] }, "
      "c: { integer: [-2, 2] }, d: { choice: [x, y] }, samples: 500 } }\n");
  EXPECT_EQ(spec.steps.size(), 500U);
  std::map<std::string, std::set<std::string>> seen;
  int below_a_hundredth = 0;
  for (const Step& step : spec.steps) {
    const double a = std::stod(step.matrix.at("a"));
    const double b = std::stod(step.matrix.at("b"));
    EXPECT_TRUE(a >= 1e-4 && a <= 1e-1 && b >= -1 && b <= 1) << step.name;
    below_a_hundredth += a < 1e-2 ? 1 : 0;
    seen["c"].insert(step.matrix.at("c"));
    seen["d"].insert(step.matrix.at("d"));
  }
  EXPECT_EQ(seen["c"], (std::set<std::string>{"-1", "-2", "0", "1", "2"}));
  EXPECT_EQ(seen["d"], (std::set<std::string>{"x", "y"}));
  EXPECT_GT(below_a_hundredth, 280) << "two of three decades";
  EXPECT_LT(below_a_hundredth, 390);
}

TEST(Matrix, CombinesSamplesWithWhatIsWrittenOut) {
  const Spec spec = read(
      "  t: { run: echo, matrix: { n: { choice: [1, 2] }, seed: [7, 8], samples: 40, include: [{ n: 3 }] } "
      "}\n");
  EXPECT_EQ(spec.step_names().size(), 5U) << "what is drawn twice is one step";
  EXPECT_EQ(spec.steps.back().name, "t[n=3]");
  EXPECT_TRUE(spec.steps.front().name.ends_with(",seed=7]")) << spec.steps.front().name;
}

TEST(Matrix, SaysWhatIsWrongWithARange) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: { uniform: [1, 0] }, samples: 2", "the first end must be below the second"},
      {"a: { uniform: [1] }, samples: 2", "expected two numbers"},
      {"a: { log-uniform: [0, 1] }, samples: 2", "above 0"},
      {"a: { integer: [0.5, 3] }, samples: 2", "both ends are whole numbers"},
      {"a: { choice: [] }, samples: 2", "nothing to choose from"},
      {"a: { normal: [0, 1] }, samples: 2", "normal"},
      {"a: { uniform: [0, 1] }", "add `samples: 20`"},
      {"a: [1, 2], samples: 2", "there is nothing to draw from"},
      {"a: [1, 2], seed: 2", "`seed` decides what `samples` draws"},
      {"a: { uniform: [0, 1] }, samples: 0", "expected a whole number from 1"},
      {"a: { uniform: [0, 1] }, samples: many", "samples"},
      {"a: { uniform: [0, 1] }, samples: 20000", "10000"},
  };
  for (const auto& [matrix, message] : cases) {
    try {
      read("  t: { run: 'echo ${{ matrix.a }}', matrix: { " + matrix + " } }\n");
      FAIL() << matrix;
    } catch (const SpecError& error) {
      EXPECT_NE((std::string(error.what()) + error.hint()).find(message), std::string::npos) << matrix << "\n"
                                                                                             << error.what();
    }
  }
}

// What a model is the best of.
TEST(Matrix, GivesAModelByItsBest) {
  const auto model = [](const std::string& select, const std::string& more) {
    return read("  t: { run: echo, outs: [m], matrix: { a: [1, 2] }" + select +
                " }\nmodel: { name: m, from: '${{ "
                "steps.t.outs.m }}'" +
                more + " }\n");
  };
  for (const Spec& spec : {model(", select: best(f1)", ""), model("", ", select: best(f1)")}) {
    EXPECT_EQ(spec.model->from, (Input{"t", "m"}));
    for (const Step& step : spec.steps) {
      EXPECT_EQ(step.select.text(), "best(f1)");
    }
  }
  EXPECT_THROW(model("", ""), SpecError);
  EXPECT_THROW(model("", ", select: latest"), SpecError);
  EXPECT_THROW(model(", select: best(f1)", ", select: best(f2)"), SpecError);
}

TEST(Matrix, NamesAreGoodForFilesAndNeverShared) {
  const Spec spec = read("  t: { run: echo, matrix: { v: ['a/b', 'a-b', 'a b', '', '.', 'ä', \"'\"] } }\n");
  std::set<std::string> folders;
  for (const Step& step : spec.steps) {
    const std::string path = Input{step.name, "o"}.path();
    EXPECT_TRUE(folders.insert(path).second) << path;
    EXPECT_EQ(std::count(path.begin(), path.end(), '/'), 3) << path;
    EXPECT_EQ(path.find_first_of(" '\"[]$&;*?~"), std::string::npos) << path;
    EXPECT_TRUE(path.starts_with("inputs/t/v=")) << path;
  }
  EXPECT_EQ(folders.size(), 7U);
  const std::string longest(5000, 'x');
  const Spec long_values = read("  t: { run: echo, matrix: { v: [" + longest + "1, " + longest + "2] } }\n");
  EXPECT_NE(long_values.steps[0].name, long_values.steps[1].name);
  EXPECT_LT(long_values.steps[0].name.size(), 200U);
}

TEST(Matrix, OutputsAreAllOfThemOrOne) {
  const std::string made = "  t: { run: echo, outs: [m], matrix: { lr: [0.2, 0.1] } }\n";
  EXPECT_EQ(commands(read(made + "  all: { run: 'cat ${{ steps.t.outs.m }}' }\n")).back(),
            "all: cat inputs/t/lr=0.2/m inputs/t/lr=0.1/m");
  EXPECT_EQ(commands(read(made +
                          "  all: { run: [cat, -n, '${{ steps.t.outs.m }}', 'of ${{ steps.t.outs.m }}'] }\n"))
                .back(),
            "all: cat | -n | inputs/t/lr=0.2/m | inputs/t/lr=0.1/m | of inputs/t/lr=0.2/m inputs/t/lr=0.1/m");
  for (const char* one :
       {"steps['t[lr=0.1]'].outs.m", "steps.t[lr=0.1].outs.m", "steps.t[ lr=0.1 ].outs['m']"}) {
    const Spec spec = read(made + "  one: { run: \"cat ${{ " + one + " }}\" }\n");
    EXPECT_EQ(commands(spec).back(), "one: cat inputs/t/lr=0.1/m") << one;
    EXPECT_EQ(spec.steps.back().inputs, (std::vector<Input>{{"t[lr=0.1]", "m"}})) << one;
  }
  const Spec needing = read(made + "  n: { run: x, needs: t }\n");
  EXPECT_EQ(needing.steps.back().needs, (std::vector<std::string>{"t[lr=0.1]", "t[lr=0.2]"}));
}

TEST(Matrix, TakesValuesFromParams) {
  const std::string text = "  t: { run: 'echo ${{ matrix.v }}', matrix: { v: ['${{ params.a }}', 5] } }\n";
  EXPECT_EQ(read(text).step_names(), (std::vector<std::string>{"t[v=1]", "t[v=5]"}));
  EXPECT_EQ(read(text, {"a=7"}).step_names(), (std::vector<std::string>{"t[v=7]", "t[v=5]"}));
  EXPECT_THROW(read(text, {"a=5"}), SpecError);
}

TEST(Matrix, OutputsMayBeNamedByTheValues) {
  const Spec spec = read(
      "  t: { run: echo, outs: ['m-${{ matrix.n }}'], matrix: { n: [1, 2] } }\n"
      "  one: { run: \"cat ${{ steps.t[n=2].outs['m-2'] }}\" }\n");
  EXPECT_EQ(commands(spec).back(), "one: cat inputs/t/n=2/m-2");
}

}  // namespace
}  // namespace mlpipe
