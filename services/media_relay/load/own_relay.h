// Our media_relay, the binary as it is shipped, in a testbed.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_OWN_RELAY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_OWN_RELAY_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "services/common/random/system_random.h"
#include "services/common/testing/mtls_pki.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {

// Thread-compatible.
class OwnRelay {
 public:
  struct Options {
    std::string binary;
    std::string folder;
    std::string relay_sockets;  // of its configuration
    std::string fast_path = "sockets";
    // Every source is one prefix here: only against spoofing a limit of its
    // answers is of use.
    bool limits_answers = false;
  };
  OwnRelay(Testbed& testbed, const Options& options);

  // An authenticated allocation and a channel for each flow. Gives the octets
  // of resident memory that each takes.
  double AllocateChannels(size_t flows);
  // A session for each flow, between what its far sides speak: SDES-SRTP with
  // AES-CM where `from_srtp` or `srtp`, of the latter AES-GCM with `gcm`, else
  // RTP.
  struct Sides {
    bool from_srtp = false;
    bool srtp = false;
    bool gcm = false;
  };
  void CreateSessions(size_t flows, const Sides& sides);

  pid_t process() const { return process_; }
  // In kB.
  size_t ResidentMemory() const;
  std::string Log() const;

 private:
  Testbed& testbed_;
  const Options options_;
  SystemRandom random_;
  MtlsPki pki_;
  pid_t process_ = 0;
  int grpc_port_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_OWN_RELAY_H_
