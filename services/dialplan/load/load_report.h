// What the load programs that ask for decisions have in common: the questions,
// and the line that says how they were answered.

#ifndef SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_REPORT_H_
#define SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_REPORT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/dialplan/load/region.h"

namespace sallyport::dialplan {

// Questions about numbers that can be dialled, another tenant's each time.
// Thread-compatible.
class QuestionSource {
 public:
  QuestionSource(const Region& region, int offset)
      : region_(region), next_(offset) {}
  void Next(::sallyport::dialplan::v1::ResolveRouteRequest& question);

 private:
  const Region region_;
  int next_;
};

// What the kernel counts, in ticks of a hundredth of a second.
struct Ticks {
  double server = 0;
  double machine = 0;
  double stolen = 0;  // taken by other machines of the host
};

// `server_pid` 0: nobody's.
Ticks ReadTicks(int server_pid);

// One line of JSON, with `more` (", \"key\": value") at its end. Sorts.
std::string ReportLine(std::vector<absl::Duration>& samples,
                       absl::Duration length, const Ticks& before,
                       const Ticks& after, const std::string& more = "");

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_REPORT_H_
