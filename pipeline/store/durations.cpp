#include "pipeline/store/durations.hpp"

namespace mlpipe {

Durations past_durations(const Database& database, const std::string& pipeline) {
  // With max(), SQLite takes the other columns from the row that holds it.
  Statement query = database.prepare(
      "SELECT realizations.step, results.finished - results.started, max(results.id) "
      "FROM realizations JOIN results USING(action_key) "
      "WHERE realizations.pipeline = ? AND results.succeeded = 1 GROUP BY realizations.step");
  query.bind(pipeline);
  constexpr double milliseconds = 1000;
  Durations durations;
  while (query.step()) {
    durations[query.text(0)] = static_cast<double>(query.integer(1)) / milliseconds;
  }
  return durations;
}

}  // namespace mlpipe
