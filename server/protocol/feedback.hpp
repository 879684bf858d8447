#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/feedback/feedback_log.hpp"
#include "server/feedback/feedback_writer.hpp"
#include "server/feedback/recent_examples.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {

// Where feedback goes, and what it may name.
struct FeedbackDesk {
  FeedbackDesk(const std::filesystem::path& folder, FeedbackLimits limits, std::size_t remembered_bytes)
      : log(std::make_shared<FeedbackLog>(folder, limits)),
        writer(std::make_shared<FeedbackWriter>(log)),
        recent(std::make_shared<RecentExamples>(remembered_bytes)) {}

  std::shared_ptr<FeedbackLog> log;
  std::shared_ptr<FeedbackWriter> writer;
  std::shared_ptr<RecentExamples> recent;
};

// POST /feedback: {"request_id": …, "label": …} for what was asked, or {"data": […], "label": …} for a new
// example, with "model" when it is not the default one. {"stored": false} for what is known already.
std::vector<Route> feedback_routes(Engine& engine, FeedbackDesk desk);

// GET /admin/feedback?model=NAME&target=COLUMN: all of a model's as CSV, as a `train:` step reads it. For the
// admin port.
std::vector<Route> feedback_export_routes(Engine& engine, FeedbackDesk desk);

}  // namespace mlpipe
