// Keeps every authority certified that another one certifies by EST: the first
// as the configuration file says, later ones by their own path of that server.

#ifndef SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAMS_H_
#define SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAMS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/est_upstream.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// Work thread only, once it was made.
class EstUpstreams {
 public:
  // All must outlive it. `first` is the client of the first authority.
  struct Parts {
    const EstClient& first;
    Authorities& authorities;
    TrustAdmin& trust;
    absl::Duration retry;
    const Clock& clock;
  };
  // Begins to ask for the first authority at once.
  explicit EstUpstreams(const Parts& parts);

  // Begins to ask for authorities that are new, and ends it for those that are
  // deleted, which waits for an exchange that is under way.
  absl::Status Refresh();

  // The path of an "https://host[:port]/path" that such an authority may name:
  // on the server of the configuration file, as no other is to see how we prove
  // ourselves. INVALID_ARGUMENT, reason FIELD_INVALID.
  absl::StatusOr<std::string> PathOf(const std::string& url) const;

  // How it stands with an authority; nullopt: nobody is asked for it.
  std::optional<EstState> StateOf(const std::string& id) const;
  // Whom to ask for it, and where; null and empty: nobody.
  const EstClient* ClientOf(const std::string& id) const;
  std::string UrlOf(const std::string& id) const;

 private:
  struct One {
    std::unique_ptr<EstClient> client;      // null: the first one's
    std::unique_ptr<EstUpstream> upstream;  // goes before its client
  };

  const Parts parts_;
  std::map<std::string, One> all_;  // by the authority's id
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAMS_H_
