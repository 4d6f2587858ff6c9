// Which services take trust and what is in force there, kept in the store: so
// that a procedure may wait for those of every replica, over restarts too.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CONSUMER_LOG_H_
#define SALLYPORT_SERVICES_CAPF_IO_CONSUMER_LOG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_publisher.h"

namespace sallyport::capf {

// Thread-compatible.
class ConsumerLog {
 public:
  // A consumer whose stream is open is written down again after this time.
  static constexpr absl::Duration kRefresh = absl::Hours(6);

  // `ledger` must outlive this object.
  explicit ConsumerLog(Ledger& ledger) : ledger_(ledger) {}

  // Writes down what is new. One that has said nothing since it came holds what
  // it said last, if we know that.
  absl::Status Note(const TrustConsumer& consumer);
  // Those that are still there.
  absl::Status Tick(const std::vector<TrustConsumer>& consumers);

 private:
  absl::Status Load();

  Ledger& ledger_;
  bool loaded_ = false;
  std::map<std::string, KnownConsumer> known_;  // as we wrote them
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CONSUMER_LOG_H_
