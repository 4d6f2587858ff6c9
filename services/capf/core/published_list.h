// Trust lists that went out, and which of them a phone may hold.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PUBLISHED_LIST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PUBLISHED_LIST_H_

#include <string>

#include "absl/time/time.h"
#include "services/capf/core/trust_list_plan.h"

namespace sallyport::capf {

// A value. Thread-compatible.
struct PublishedList {
  std::string tenant;
  TrustListKind kind = TrustListKind::kCtl;
  std::string content;
  std::string sha1;  // lower-case hex, as phones and operators know it
  absl::Time publish_time = absl::UnixEpoch();

  bool operator==(const PublishedList&) const = default;
};

// What was sent to a phone by its own name, by SHA-1 of the file. Whoever asks
// in a phone's name is not proven to be it, so the list before counts too.
struct PhoneLists {
  std::string tenant;
  std::string device;
  std::string ctl, ctl_before;
  std::string itl, itl_before;
  absl::Time fetch_time = absl::UnixEpoch();
  std::string model;  // of its enrollment; read with the rest, not kept here

  bool operator==(const PhoneLists&) const = default;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PUBLISHED_LIST_H_
