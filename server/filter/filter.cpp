#include "server/filter/filter.hpp"

#include <utility>

namespace mlpipe {

Answer chain(std::vector<Filter> filters, Answer last) {
  Answer answer = std::move(last);
  for (auto filter = filters.rbegin(); filter != filters.rend(); ++filter) {
    answer = [filter = std::move(*filter), next = std::move(answer)](Request request, Respond respond) {
      filter(std::move(request), std::move(respond), next);
    };
  }
  return answer;
}

}  // namespace mlpipe
