// What a voicemail server does to bring a port group into service (CUC-05 to
// CUC-12).

#ifndef SALLYPORT_TOOLS_CLI_VOICEMAIL_CONNECT_H_
#define SALLYPORT_TOOLS_CLI_VOICEMAIL_CONNECT_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"

namespace sallyport::cli {

// After a registration that found no certificate (CUC-78).
inline constexpr absl::Duration kCtlRetry = absl::Milliseconds(5000);

struct VoicemailConnectOptions {
  dialplan::v1::VoicemailPortGroup group;
  std::string certificate_file;  // what the voicemail server shows
  std::string key_file;
  std::string cache_folder;        // of CtlCache
  std::vector<std::string> ports;  // device names; empty: all that are enabled
  int attempts = 1;                // kCtlRetry apart
  absl::Duration hold;             // ports stay in service so long
};

// Takes the trust list (from the cache if one is there), finds the certificate
// of a call manager in it, connects to that call manager by mutual TLS, sees
// that it shows this certificate, and registers the ports; with SIP it is asked
// by OPTIONS. Call managers are tried in order (CUC-88).
//
// Each step is a line of `trace`, in the records of the documents (CUC-72 to
// CUC-80): "MiuGeneral,25: ...". FAILED_PRECONDITION with
// PORT_GROUP_OUT_OF_SERVICE (no list), CERTIFICATE_NOT_IN_CTL, or what the last
// call manager came to. Blocks.
absl::Status ConnectVoicemail(const VoicemailConnectOptions& options,
                              std::ostream& trace);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_VOICEMAIL_CONNECT_H_
