// What a job sees, what it must write, and how it ends.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "pipeline/base/text.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// The last lines that the job's failure shows stand in the log whose path is shown.
std::string shown_log(const Captured& captured) {
  const std::string mark = "    log: ";
  const std::size_t at = captured.error.find(mark);
  if (at == std::string::npos) {
    return "";
  }
  const std::size_t begin = at + mark.size();
  return read_file(captured.error.substr(begin, captured.error.find('\n', begin) - begin));
}

TEST(Job, SeesOnlyWhatItDeclares) {
  Project project;
  project.write("data/seen.csv", "1\n");
  project.write("data/other.txt", "2\n");
  project.write("deep/er/tool.sh", "echo hello\n");
  project.write("secret.txt", "3\n");
  fs::permissions(project.folder() / "deep" / "er" / "tool.sh", fs::perms::owner_all);
  project.pipeline(R"(name: closed
steps:
  look:
    run: find . -type f | sort > @SIDE@/seen; ./deep/er/tool.sh > @SIDE@/said || sh deep/er/tool.sh > @SIDE@/said
    deps: ["data/*.csv", deep]
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(read_file(project.side("seen")), "./data/seen.csv\n./deep/er/tool.sh\n");
  EXPECT_EQ(read_file(project.side("said")), "hello\n");
}

TEST(Job, AnUndeclaredFileGivesAHint) {
  Project project;
  project.write("lib/helper.txt", "help\n");
  project.pipeline("name: hint\nsteps:\n  read: { run: cat lib/helper.txt > out, outs: [out] }\n");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "lib/helper.txt is in the project but not among the step's `deps`"));
  project.replace("pipeline.yaml", "outs: [out]", "outs: [out], deps: [lib/helper.txt]");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
}

TEST(Job, SeesOnlyTheEnvironmentThatItDeclares) {
  Project project;
  project.environment["COLOR"] = "red";
  project.environment["PYTHONPATH"] = "/somewhere";
  project.pipeline(R"(name: closed
params: { taste: "sweet & sour" }
steps:
  look:
    run: [/usr/bin/env]
    env: { SIZE: 3, TASTE: "${{ params.taste }}" }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  std::vector<std::string> names;
  const Captured logged = project.mlpipe({"logs", "look"});
  for (const std::string& line : split(logged.output, '\n')) {
    if (!line.empty()) {
      names.push_back(line.substr(0, line.find('=')));
    }
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(join(names, " "), "HOME LANG MLPIPE_CHECKPOINT_DIR MLPIPE_PROGRESS PATH SIZE TASTE TMPDIR");
  EXPECT_TRUE(has(logged.output, "TASTE=sweet & sour\n"));
}

TEST(Job, ItsTemporaryFolderIsThereAndItsInputIsEmpty) {
  Project project;
  project.pipeline("name: tmp\nsteps:\n  a: { run: \"echo x > $TMPDIR/y; test -z \\\"$(cat)\\\"\" }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
}

// As somebody for whom permissions count.
Captured run_without_privileges(const Project& project) {
  Command command = project.command({"run"});
  if (::geteuid() == 0) {
    const std::string nobody = "65534";
    const fs::path root = project.folder().parent_path();
    Command give = command;
    give.arguments = {"chown", "-R", nobody, root.string()};
    run_and_capture(give);
    const Arguments drop = {"setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups"};
    command.arguments.insert(command.arguments.begin(), drop.begin(), drop.end());
  }
  return run_and_capture(command);
}

TEST(Job, InputsAreReadOnly) {
  Project project;
  project.pipeline(R"(name: inputs
steps:
  make:
    run: echo one > file; mkdir folder; echo two > folder/inner
    outs: [file, folder]
  spoil:
    run: |
      ! echo x > ${{ steps.make.outs.file }}
      ! echo x > ${{ steps.make.outs.folder }}/inner
      ! touch ${{ steps.make.outs.folder }}/new
      ! rm ${{ steps.make.outs.folder }}/inner
)");
  const Captured captured = run_without_privileges(project);
  if (captured.ending.exit_code == 126 || captured.ending.exit_code == 127) {
    GTEST_SKIP() << "the programs lie where only root can read";
  }
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "cannot create inputs/make/file"));
}

// Also for root, whom no permission keeps from writing.
TEST(Job, WhatAJobDoesToItsInputsDoesNotReachTheStore) {
  Project project;
  project.pipeline(R"(name: inputs
steps:
  make: { run: "echo one > file; mkdir folder; echo two > folder/inner", outs: [file, folder] }
  spoil:
    run: |
      echo x >> ${{ steps.make.outs.file }} || true
      echo x >> ${{ steps.make.outs.folder }}/inner || true
)");
  const Json report = project.json({"run", "--json"});
  const std::string digest = digest_of_output(report, "make", "file").substr(std::string("sha256:").size());
  EXPECT_EQ(read_file(project.store() / "blobs" / "sha256" / digest), "one\n");
  const std::string tree = digest_of_output(report, "make", "folder").substr(std::string("sha256:").size());
  EXPECT_EQ(read_file(project.store() / "trees" / tree / "inner"), "two\n");
}

TEST(Job, TwoStepsThatComputeTheSameRunOnce) {
  Project project;
  project.pipeline(R"(name: twins
steps:
  one: { run: "sleep 0.3; echo once >> @SIDE@/runs; echo x > out", outs: [out] }
  two: { run: "sleep 0.3; echo once >> @SIDE@/runs; echo x > out", outs: [out] }
)");
  const Captured captured = project.mlpipe({"run", "--jobs", "2"});
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "two computes the same as one: waiting for it"));
  EXPECT_EQ(project.runs("once"), 1U);
}

TEST(Job, OddCharactersInParamsAndPaths) {
  Project project("a project, \"quoted\" & 'odd' $HOME");
  const std::string odd = "it's $(touch @SIDE@/pwned); `x` \"y\" \\ %s * é";
  project.write("my data/ünï (1).txt", "bytes\n");
  project.pipeline(R"(name: odd
params: { words: two words }
steps:
  first:
    run:
      - sh
      - -c
      - printf '%s|' "$@" > "out dir/argu ments.txt"; cat "my data/ünï (1).txt" > "out dir/copy of it"
      - sh
      - ${{ params.words }}
      - "*"
      - $HOME
    deps: ["my data/ünï (1).txt"]
    outs: [out dir/argu ments.txt, "out dir/copy of it"]
  second:
    run: cat "$ARGUMENTS" "$COPY" > @SIDE@/result; printf %s "$WORDS" > @SIDE@/words
    env:
      ARGUMENTS: ${{ steps.first.outs['out dir/argu ments.txt'] }}
      COPY: ${{ steps.first.outs['out dir/copy of it'] }}
      WORDS: ${{ params.words }}
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--set", "words=" + odd}), 0));
  EXPECT_EQ(read_file(project.side("result")), odd + "|*|$HOME|bytes\n");
  EXPECT_EQ(read_file(project.side("words")), odd);
  EXPECT_FALSE(fs::exists(project.side("pwned")));
}

TEST(Job, AValueIsNeverRunAsCode) {
  Project project;
  project.pipeline(R"(name: code
params: { word: plain }
steps:
  say: { run: "echo ${{ params.word }} > @SIDE@/said" }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(read_file(project.side("said")), "plain\n");
  for (const char* value : {"$(id)", "a b", "a;b", "`id`", "'", "\"", "a\nb", "*", "~", ""}) {
    const Captured captured = project.mlpipe({"run", "--set", std::string("word=") + value});
    EXPECT_TRUE(exits(captured, 2)) << value;
    EXPECT_TRUE(has(captured.error, "pass it through `env`, or write `run` as a list"));
  }
}

TEST(Job, AListRunsWithoutAShell) {
  Project project;
  project.pipeline(R"(name: list
steps:
  say: { run: [printf, "%s|", "$HOME", "a;b", ""] }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.mlpipe({"logs", "say"}).output, "$HOME|a;b||");
  project.replace("pipeline.yaml", "printf,", "no-such-program,");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "no-such-program"));
}

TEST(Job, AScriptStopsAtTheFirstCommandThatFails) {
  Project project;
  project.pipeline("name: strict\nsteps:\n  a: { run: \"false\\ntouch @SIDE@/after\" }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
  EXPECT_FALSE(fs::exists(project.side("after")));
}

TEST(Job, AFailureShowsTheLastTwentyLinesAndTheLog) {
  Project project;
  project.pipeline(R"(name: failing
steps:
  bad: { run: "seq -f 'line %g' 1 30; echo oops >&2; exit 3" }
  after: { run: "touch @SIDE@/after", needs: bad }
  independent: { run: "echo independent >> @SIDE@/runs" }
)");
  const Captured captured = project.mlpipe({"run", "--json"});
  EXPECT_TRUE(exits(captured, 1));
  const std::size_t failure = captured.error.find("✗ bad  exit status 3\n    line 12\n");
  ASSERT_NE(failure, std::string::npos) << captured.error;
  EXPECT_TRUE(has(captured.error.substr(failure), "    line 30\n    oops\n    log: "));
  EXPECT_TRUE(shown_log(captured).starts_with("line 1\n"));
  const Json report = Json::parse(captured.output);
  EXPECT_EQ(report.at("outcome"), "failed");
  EXPECT_EQ(state_of(report, "bad"), "failed");
  EXPECT_EQ(step_of(report, "bad").at("failure"), "exit status 3");
  EXPECT_EQ(state_of(report, "after"), "blocked");
  EXPECT_EQ(reasons_of(report, "after"), "bad did not succeed");
  EXPECT_EQ(state_of(report, "independent"), "succeeded");
  EXPECT_FALSE(fs::exists(project.side("after")));

  // A failed result does not stand for the step: the next run tries again, and only that.
  const Captured again = project.mlpipe({"run", "--json"});
  EXPECT_TRUE(exits(again, 1));
  EXPECT_EQ(reasons_of(Json::parse(again.output), "bad"), "exit status 3 the last time");
  EXPECT_EQ(project.runs("independent"), 1U);
}

TEST(Job, AKilledOneSaysBySignal) {
  Project project;
  project.pipeline("name: killed\nsteps:\n  a: { run: \"echo before; kill -9 $$\", outs: [x] }\n");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "✗ a  killed by signal 9 (Killed)\n    before\n    log: "));
}

TEST(Job, APromisedOutputThatIsMissingFails) {
  Project project;
  project.pipeline(R"(name: empty
steps:
  a:
    run: echo did nothing; echo 1 > there
    outs: [there, missing, folder/other]
)");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(
      has(captured.error,
          "✗ a  it promised the output missing, folder/other and did not write it\n    did nothing\n"));
  EXPECT_EQ(shown_log(captured), "did nothing\n");
}

TEST(Job, OutputsThatCannotBeTakenFail) {
  Project project;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"ln -s /etc/passwd out", "link"},
      {"mkdir out; ln -s ../../x out/inner", "link"},
      {"mkfifo out", "neither a file nor a folder"},
  };
  for (const auto& [script, message] : cases) {
    project.pipeline("name: odd\nsteps:\n  a: { run: \"" + script + "\", outs: [out] }\n");
    const Captured captured = project.mlpipe({"run"});
    EXPECT_TRUE(exits(captured, 1)) << script;
    EXPECT_TRUE(has(captured.error, message));
  }
  project.pipeline(
      "name: odd\nsteps:\n  a: { run: \"rmdir folder; ln -s $TMPDIR folder; echo 1 > folder/x\", outs: "
      "[folder/x] }\n");
  const Captured outside = project.mlpipe({"run"});
  EXPECT_TRUE(exits(outside, 1));
  EXPECT_TRUE(has(outside.error, "the output folder/x lies outside the work directory"));
}

TEST(Job, MetricsThatAreNoneFail) {
  Project project;
  for (const char* content : {"[1, 2]", "not json", "", "3"}) {
    project.pipeline("name: measured\nsteps:\n  a: { run: [sh, -c, 'printf %s \"$1\" > m.json', sh, \"" +
                     std::string(content) + "\"], metrics: [m.json] }\n");
    const Captured captured = project.mlpipe({"run"});
    EXPECT_TRUE(exits(captured, 1)) << content;
    EXPECT_TRUE(has(captured.error, "the metrics m.json are not a JSON object of numbers"));
  }
  project.pipeline("name: measured\nsteps:\n  a: { run: \"true\", metrics: [m.json] }\n");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "it promised the metrics m.json and did not write them"));
}

TEST(Job, ATimeoutEndsTheWholeGroup) {
  Project project;
  project.pipeline(R"(name: slow
steps:
  slow:
    run: |
      sleep 1000 & echo $! > @SIDE@/child
      setsid sleep 1000 & echo $! > @SIDE@/session
      echo waiting
      sleep 1000
    timeout: 300ms
)");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "✗ slow  timed out after 0.3 s\n"));
  EXPECT_TRUE(has(captured.error, "    waiting\n    log: "));
  for (const char* process : {"child", "session"}) {
    EXPECT_FALSE(process_runs(std::stoi(project.lines(process).at(0)))) << process;
  }
}

TEST(Job, WhatItLeavesRunningIsEnded) {
  Project project;
  project.pipeline("name: left\nsteps:\n  a: { run: \"sleep 1000 & echo $! > @SIDE@/left\" }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_FALSE(process_runs(std::stoi(project.lines("left").at(0))));
}

TEST(Job, TheLogOfAJobIsShownAsItComesAndLater) {
  Project project;
  project.pipeline(
      "name: talking\nsteps:\n  a: { run: \"echo one; printf 'a\\\\033[2Jb\\\\n' >&2; echo three\" }\n");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(has(captured.error, "a | one\na | a?[2Jb\na | three\n✓ a"));
  EXPECT_EQ(project.mlpipe({"logs", "a"}).output, "one\na?[2Jb\nthree\n");
  const Json json = project.json({"logs", "a", "--json"});
  EXPECT_EQ(json.at("text"), "one\na\033[2Jb\nthree\n");
}

}  // namespace
}  // namespace mlpipe
