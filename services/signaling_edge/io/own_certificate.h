// Which certificate an edge shows, and the self-signed one that it makes when
// there is no other.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_OWN_CERTIFICATE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_OWN_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/x509_name.h"

namespace sallyport::signaling_edge {

// Where our certificates lie.
struct OwnCertificateFiles {
  std::string certificate_file;  // of an authority, whichever
  std::string key_file;
  // Certificate and key in one, mode 0600, made here when it is needed. Empty:
  // none is made.
  std::string self_signed_file;
  std::vector<std::string> self_signed_names;  // its dNSNames
};

// The pair that is to be shown.
struct OwnCertificate {
  std::string certificate_file;
  std::string key_file;
  CertificateInfo info;
  bool self_signed = false;  // made here
  bool made_now = false;     // by this call
  // Why the configured one is not used, or should not be: OK, or
  // OWN_CERTIFICATE_NOT_FOUND, OWN_CERTIFICATE_INVALID.
  absl::Status configured;
};

// Whether the pair can be shown at `now`: OWN_CERTIFICATE_NOT_FOUND if a file
// is not there; OWN_CERTIFICATE_INVALID if one cannot be read, they do not
// belong together, the time is not that of the certificate, or it is not for
// servers. Blocks on the disk.
absl::StatusOr<CertificateInfo> ReadOwnCertificate(
    const std::string& certificate_file, const std::string& key_file,
    absl::Time now);

// UM-32, UM-109, UM-124: the configured pair if it is valid; else the
// self-signed one that is kept; else a new one, for a year. Without a file for
// that the configured one must do, as long as it can be read; errors as of
// ReadOwnCertificate(), or UNAVAILABLE. Blocks on the disk: not for loops.
absl::StatusOr<OwnCertificate> ChooseOwnCertificate(
    const OwnCertificateFiles& files, absl::Time now);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_OWN_CERTIFICATE_H_
