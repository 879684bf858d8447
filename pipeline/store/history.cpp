#include "pipeline/store/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr const char* run_query =
    "SELECT runs.id, pipeline, params, status, started, finished, coalesce(git, ''), coalesce(release, '') "
    "FROM runs LEFT JOIN run_details ON run_details.run = runs.id ";

constexpr const char* step_query =
    "SELECT run_steps.step, run_steps.action_key, outcome, result, coalesce(ran, 0), coalesce(chosen, ''), "
    "coalesce(reasons, '[]') FROM run_steps LEFT JOIN run_step_details USING(run, step) ";

RunRecord run_from_row(const Statement& row) {
  RunRecord run;
  run.number = row.integer(0);
  run.pipeline = row.text(1);
  run.params = Json::parse(row.text(2)).get<std::map<std::string, std::string>>();
  run.outcome = "unfinished";
  run.started = from_milliseconds(row.integer(4));
  if (row.integer(5) != 0) {
    run.outcome = row.text(3);
    run.finished = from_milliseconds(row.integer(5));
  }
  run.git = row.text(6);
  run.release = row.text(7);
  return run;
}

RunStepRecord step_from_row(const Statement& row) {
  RunStepRecord step;
  step.step = row.text(0);
  step.action_key = row.digest(1);
  step.outcome = row.text(2);
  step.ran = row.integer(4);
  if (const std::string chosen = row.text(5); !chosen.empty()) {
    step.chosen = Json::parse(chosen).get<std::vector<std::int64_t>>();
  } else if (row.integer(3) != 0) {
    step.chosen = {row.integer(3)};
  }
  step.reasons = Json::parse(row.text(6)).get<std::vector<std::string>>();
  return step;
}

// The one result that the row of a step names: what stands for it, or how it failed.
std::int64_t row_of(const RunStepRecord& step) {
  return step.chosen.empty() ? step.ran : step.chosen.back();
}

// Whether the step's row says all: nothing ran, nothing needs a reason, and one result stands for it.
bool says_all(const RunStepRecord& step) {
  return step.ran == 0 && step.reasons.empty() && step.chosen.size() <= 1;
}

}  // namespace

RunStepRecord record_of(const std::string& name, const PlannedStep& planned) {
  RunStepRecord record{name, planned.action_key, name_of(planned.state), {}, 0, planned.reasons};
  for (const Result& result : planned.chosen) {
    record.chosen.push_back(result.id);
  }
  if (planned.result && planned.state != PlannedStep::State::cached) {
    record.ran = planned.result->id;
  }
  if (!planned.kept.empty()) {
    record.reasons.push_back(planned.kept);
  }
  return record;
}

std::int64_t History::begin(const std::string& pipeline,
                            const std::map<std::string, std::string>& params) const {
  const Database& database = store_.database();
  Transaction transaction(database);
  database
      .prepare("INSERT INTO runs(pipeline, params, status, started, finished) VALUES(?, ?, 'running', ?, 0)")
      .bind(pipeline)
      .bind(Json(params).dump())
      .bind(to_milliseconds(std::chrono::system_clock::now()))
      .run();
  const std::int64_t number = database.last_row_id();
  transaction.commit();
  return number;
}

void History::add_step(std::int64_t run, const RunStepRecord& step) const {
  const Database& database = store_.database();
  database
      .prepare(
          "INSERT OR REPLACE INTO run_steps(run, step, action_key, outcome, result) VALUES(?, ?, ?, ?, ?)")
      .bind(run)
      .bind(step.step)
      .bind(step.action_key)
      .bind(step.outcome)
      .bind(row_of(step))
      .run();
  if (!says_all(step)) {
    database
        .prepare(
            "INSERT OR REPLACE INTO run_step_details(run, step, ran, chosen, reasons) VALUES(?, ?, ?, ?, ?)")
        .bind(run)
        .bind(step.step)
        .bind(step.ran)
        .bind(Json(step.chosen).dump())
        .bind(Json(step.reasons).dump())
        .run();
  }
}

void History::add_steps(std::int64_t run, std::span<const RunStepRecord> steps) const {
  Transaction transaction(store_.database());
  for (const RunStepRecord& step : steps) {
    add_step(run, step);
  }
  transaction.commit();
}

void History::end(std::int64_t run, const std::string& outcome, const std::string& git,
                  const std::string& release) const {
  const Database& database = store_.database();
  Transaction transaction(database);
  if (!git.empty() || !release.empty()) {
    database.prepare("INSERT OR REPLACE INTO run_details(run, git, release) VALUES(?, ?, ?)")
        .bind(run)
        .bind(git)
        .bind(release)
        .run();
  }
  database.prepare("UPDATE runs SET status = ?, finished = ? WHERE id = ?")
      .bind(outcome)
      .bind(to_milliseconds(std::chrono::system_clock::now()))
      .bind(run)
      .run();
  transaction.commit();
}

std::vector<RunRecord> History::runs(std::size_t most) const {
  Statement query = store_.database().prepare(fmt::format("{} ORDER BY runs.id DESC LIMIT ?", run_query));
  query.bind(static_cast<std::int64_t>(most));
  std::vector<RunRecord> found;
  while (query.step()) {
    found.push_back(run_from_row(query));
  }
  return found;
}

std::optional<RunRecord> History::find(std::int64_t run) const {
  Statement query = store_.database().prepare(fmt::format("{} WHERE runs.id = ?", run_query));
  query.bind(run);
  return query.step() ? std::optional(run_from_row(query)) : std::nullopt;
}

std::optional<RunRecord> History::before(const RunRecord& run) const {
  Statement query = store_.database().prepare(
      fmt::format("{} WHERE runs.id < ? AND pipeline = ? ORDER BY runs.id DESC LIMIT 1", run_query));
  query.bind(run.number).bind(run.pipeline);
  return query.step() ? std::optional(run_from_row(query)) : std::nullopt;
}

std::vector<RunStepRecord> History::steps(std::int64_t run) const {
  Statement query = store_.database().prepare(
      fmt::format("{} LEFT JOIN results ON results.id = run_step_details.ran WHERE run = ? "
                  "ORDER BY results.started IS NULL, results.started, step",
                  step_query));
  query.bind(run);
  std::vector<RunStepRecord> found;
  while (query.step()) {
    found.push_back(step_from_row(query));
  }
  return found;
}

std::vector<std::string> History::names(std::int64_t run, const std::string& outcome,
                                        std::size_t most) const {
  Statement query = store_.database().prepare(
      "SELECT step FROM run_steps WHERE run = ? AND outcome = ? ORDER BY step LIMIT ?");
  query.bind(run).bind(outcome).bind(static_cast<std::int64_t>(most));
  std::vector<std::string> found;
  while (query.step()) {
    found.push_back(query.text(0));
  }
  return found;
}

std::map<std::string, std::size_t> History::outcomes(std::int64_t run) const {
  Statement query =
      store_.database().prepare("SELECT outcome, count(*) FROM run_steps WHERE run = ? GROUP BY outcome");
  query.bind(run);
  std::map<std::string, std::size_t> counts;
  while (query.step()) {
    counts[query.text(0)] = static_cast<std::size_t>(query.integer(1));
  }
  return counts;
}

std::optional<Result> History::result(std::int64_t row) const {
  return store_.find_result(row);
}

std::optional<Recipe> History::recipe(const Digest& action_key) const {
  Statement query = store_.database().prepare("SELECT recipe FROM actions WHERE action_key = ?");
  query.bind(action_key);
  return query.step() ? std::optional(Recipe::parse(query.text(0))) : std::nullopt;
}

std::map<std::string, std::string> History::params_of(const std::string& pipeline, const std::string& step,
                                                      const Digest& action_key) const {
  Statement query = store_.database().prepare(
      "SELECT params FROM realizations WHERE pipeline = ? AND step = ? AND action_key = ? "
      "ORDER BY id DESC LIMIT 1");
  query.bind(pipeline).bind(step).bind(action_key);
  return query.step() ? Json::parse(query.text(0)).get<std::map<std::string, std::string>>()
                      : std::map<std::string, std::string>{};
}

std::optional<History::Origin> History::origin(std::int64_t result) const {
  Statement query =
      store_.database().prepare(fmt::format("{} WHERE ran = ? ORDER BY run LIMIT 1", step_query));
  query.bind(result);
  if (!query.step()) {
    return std::nullopt;
  }
  Statement of_run = store_.database().prepare("SELECT min(run) FROM run_step_details WHERE ran = ?");
  of_run.bind(result).step();
  const auto run = find(of_run.integer(0));
  return run ? std::optional(Origin{*run, step_from_row(query)}) : std::nullopt;
}

std::vector<History::Use> History::uses(const Digest& action_key) const {
  Statement query =
      store_.database().prepare("SELECT DISTINCT pipeline, step FROM realizations WHERE action_key = ?");
  query.bind(action_key);
  std::vector<Use> found;
  while (query.step()) {
    found.push_back({query.text(0), query.text(1)});
  }
  return found;
}

std::optional<std::int64_t> History::run_that_moved_to(const std::string& release,
                                                       std::chrono::system_clock::time_point at) const {
  Statement query = store_.database().prepare(
      "SELECT runs.id FROM runs JOIN run_details ON run_details.run = runs.id "
      "WHERE release = ? AND started <= ? AND finished >= ? ORDER BY runs.id LIMIT 1");
  query.bind(release).bind(to_milliseconds(at)).bind(to_milliseconds(at));
  return query.step() ? std::optional(query.integer(0)) : std::nullopt;
}

}  // namespace mlpipe
