#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

Spec read(const std::string& text, const std::vector<std::string>& set = {}) {
  return read_spec("/project/pipeline.yaml", parse_yaml("pipeline.yaml", text), {set});
}

std::vector<Diagnostic> faults_of(const std::string& text) {
  try {
    read(text);
  } catch (const SpecError& error) {
    return error.diagnostics();
  }
  return {};
}

std::string only_fault(const std::string& text) {
  const std::vector<Diagnostic> faults = faults_of(text);
  return faults.size() == 1 ? faults.front().message : std::to_string(faults.size()) + " faults";
}

constexpr const char* two_steps = R"(name: p
params: { a: 1, b: x }
steps:
  second:
    run: cat ${{ steps.first.outs['out.txt'] }} > two.txt
    outs: [two.txt]
  first:
    run: echo ${{ params.a }} > out.txt
    outs: [out.txt]
)";

TEST(Reader, PutsStepsInAnOrderInWhichTheyCanRun) {
  const Spec spec = read(two_steps);
  ASSERT_EQ(spec.steps.size(), 2U);
  EXPECT_EQ(spec.steps[0].name, "first");
  EXPECT_EQ(spec.steps[1].name, "second");
  EXPECT_EQ(spec.steps[1].inputs, (std::vector<Input>{{"first", "out.txt"}}));
  EXPECT_EQ(std::get<RunAction>(spec.steps[1].action).arguments.front(),
            "cat inputs/first/out.txt > two.txt");
}

TEST(Reader, KnowsWhichParamsAStepUses) {
  const Spec spec = read(two_steps, {"a=7"});
  EXPECT_EQ(spec.find_step("first")->params, (std::map<std::string, std::string>{{"a", "7"}}));
  EXPECT_TRUE(spec.find_step("second")->params.empty());
  EXPECT_EQ(std::get<RunAction>(spec.steps[0].action).arguments.front(), "echo 7 > out.txt");
}

TEST(Reader, RefusesSetOfAnUnknownParamOrOfNoNumber) {
  EXPECT_THROW(read(two_steps, {"c=7"}), UsageError);
  EXPECT_THROW(read(two_steps, {"a"}), UsageError);
  EXPECT_THROW(read(two_steps, {"a=fast"}), UsageError);
}

TEST(Reader, ReportsEveryFaultAtOnce) {
  const auto faults = faults_of(R"(name: p
parms: { a: 1 }
steps:
  one: { run: "true", timeout: soon, outs: [/etc/x] }
  two: { run: "true", needs: [onee] }
  three: { run: "echo ${{ params.a }}", nix: x }
  four: {}
)");
  std::vector<std::size_t> lines;
  for (const Diagnostic& fault : faults) {
    lines.push_back(fault.line);
  }
  EXPECT_EQ(lines, (std::vector<std::size_t>{2, 4, 4, 5, 6, 6, 7}));
}

TEST(Reader, NamesTheNearestName) {
  const auto faults = faults_of("name: p\nsteps:\n  one: { rum: x }\n");
  const auto rum = std::find_if(faults.begin(), faults.end(),
                                [](const Diagnostic& fault) { return fault.message == "unknown key 'rum'"; });
  ASSERT_NE(rum, faults.end());
  EXPECT_EQ(rum->hint, "did you mean 'run'?");
  EXPECT_EQ(rum->line, 3U);
  EXPECT_EQ(rum->column, 10U);
}

TEST(Reader, ShowsTheWholeCircle) {
  EXPECT_EQ(only_fault("name: p\nsteps:\n  a: { run: x, needs: c }\n  b: { run: x, needs: a }\n"
                       "  c: { run: x, needs: [b] }\n"),
            "the steps need each other in a circle: a needs c needs b needs a");
  EXPECT_EQ(only_fault("name: p\nsteps:\n  a: { run: x, needs: a }\n"),
            "the steps need each other in a circle: a needs a");
}

TEST(Reader, SaysThatALaterKeyIsNotYetBuilt) {
  EXPECT_EQ(only_fault("name: p\non: {}\nsteps: { a: { run: x } }\n"), "'on' is not yet built");
  EXPECT_EQ(only_fault("name: p\nruns-on: nix\nsteps: { a: { run: x } }\n"), "'nix' is not yet built");
  EXPECT_EQ(only_fault("name: p\nsteps: { a: { run: 'echo ${{ secrets.X }}' } }\n"),
            "a secret can only be the whole value of a variable in `env`");
}

TEST(Reader, RefusesAValueThatAShellWouldInterpret) {
  const std::string text =
      "name: p\nparams: { b: \"x; rm -rf /\" }\nsteps:\n  a: { run: \"echo ${{ params.b }}\" }\n";
  ASSERT_EQ(faults_of(text).size(), 1U);
  EXPECT_NE(faults_of(text).front().message.find("a shell would interpret"), std::string::npos);
  const Spec list =
      read("name: p\nparams: { b: \"x; rm -rf /\" }\nsteps:\n  a: { run: [echo, \"${{ params.b }}\"] }\n");
  EXPECT_EQ(std::get<RunAction>(list.steps[0].action).arguments.back(), "x; rm -rf /");
}

TEST(Reader, ReadsAGateAndChecksItsNames) {
  const std::string head =
      "name: p\nsteps:\n  t: { run: x, outs: [m] }\nmodel:\n  name: m\n  from: ${{ steps.t.outs.m }}\n";
  EXPECT_TRUE(read(head + "  gate: t.accuracy >= 0.9 and accuracy >= current.accuracy - 0.1\n").model->gate);
  EXPECT_EQ(only_fault(head + "  gate: tt.accuracy >= 0.9\n"), "there is no step 'tt'");
  EXPECT_EQ(only_fault(head + "  gate: accuracy => 0.9\n"), "'=' has no place in an expression");
}

TEST(Reader, KeepsYamlsOwnTrapsOut) {
  EXPECT_EQ(only_fault("name: p\nname: q\nsteps: { a: { run: x } }\n"), "the key 'name' is here twice");
  EXPECT_EQ(only_fault("name: p\nsteps:\n\ta: { run: x }\n"), "a tab as indentation");
  const auto expression = faults_of("name: p\nsteps: { a: { run: x, outs: [${{ params.x }}] } }\n");
  ASSERT_EQ(expression.size(), 1U);
  EXPECT_EQ(expression.front().hint, "an expression inside { } or [ ] needs quotes: \"${{ params.x }}\"");
  EXPECT_EQ(only_fault(std::string(100, '[') + "x" + std::string(100, ']')), "nested deeper than 64 levels");
  EXPECT_EQ(only_fault(""), "the file is empty");
}

TEST(Reader, NumbersAreReadByYaml12) {
  const Spec spec = read(
      "name: p\nparams: { a: 010, b: 1e-3, c: yes, d: '7' }\nsteps: { a: { run: 'echo "
      "${{ params.a }} ${{ params.b }} ${{ params.c }} ${{ params.d }}' } }\n");
  EXPECT_EQ(std::get<RunAction>(spec.steps[0].action).arguments.front(), "echo 010 1e-3 yes 7");
}

}  // namespace
}  // namespace mlpipe
