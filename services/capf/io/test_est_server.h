// An EST server for tests, which is none of ours: Python's ssl and openssl.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TEST_EST_SERVER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TEST_EST_SERVER_H_

#include <sys/types.h>

#include <string>

namespace sallyport::capf {

// Has an authority of its own, a certificate for "localhost" from it, and one
// for a client, all in its folder: ca.pem, client.pem and client.key. What it
// does is its mode, as testdata/est_server.py says. Thread-compatible.
class TestEstServer {
 public:
  // Needs testdata/est_server.py among the test's data.
  explicit TestEstServer(std::string folder);
  ~TestEstServer();
  TestEstServer(const TestEstServer&) = delete;
  TestEstServer& operator=(const TestEstServer&) = delete;

  void SetMode(const std::string& mode) const;
  // From now on it asks for "user:password" instead of a certificate.
  void SetPassword(const std::string& password) const;
  int port() const { return port_; }
  // The content of a file of its folder.
  std::string Read(const std::string& name) const;
  std::string Path(const std::string& name) const {
    return folder_ + "/" + name;
  }
  // SIGKILL, and on another port again.
  void Stop();
  void Start();

 private:
  const std::string folder_;
  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TEST_EST_SERVER_H_
