#include "server/filter/observation.hpp"

#include <memory>
#include <string>
#include <utility>

#include "server/filter/request_identity.hpp"

namespace mlpipe {
namespace {

void name_in(Response& response, const RequestRecord& record) {
  for (Header& header : identity_headers(record)) {
    response.headers.push_back(std::move(header));
  }
}

// The first answer to a request is logged, and no other is sent.
void log_once(RequestLog& log, RequestRecord& record, const Response& response) {
  if (!record.is_answered.exchange(true)) {
    log.log({record, response.status, {}, response.body.size(), response.body});
  }
}

}  // namespace

Filter observation(ObservationOptions options) {
  const auto log = std::make_shared<RequestLog>(std::move(options));
  const auto numbers = std::make_shared<UniqueNumbers>();
  return [log, numbers](Request request, Respond respond, const Answer& next) {
    if (!request.record) {
      request.record = std::make_shared<RequestRecord>();
    }
    const std::shared_ptr<RequestRecord> record = request.record;
    identify(*record,
             {request.header("X-Request-Id"), request.header("traceparent"), request.header("tracestate")},
             *numbers);
    record->method = request.method.substr(0, 20);
    next(std::move(request), [log, record, respond = std::move(respond)](Response response) {
      log_once(*log, *record, response);
      name_in(response, *record);
      respond(std::move(response));
    });
  };
}

RefuseRequest observed_refusal(ObservationOptions options, Refuse refuse) {
  const auto log = std::make_shared<RequestLog>(std::move(options));
  const auto numbers = std::make_shared<UniqueNumbers>();
  return
      [log, numbers, refuse = std::move(refuse)](int status, std::string_view why, RequestRecord* request) {
        Response response = refuse(status, why);
        RequestRecord unknown;
        if (request == nullptr || request->id.empty()) {
          unknown.id = hexadecimal(numbers->next());
          unknown.route = "refused";
          request = &unknown;
        }
        log_once(*log, *request, response);
        name_in(response, *request);
        return response;
      };
}

}  // namespace mlpipe
