package analysisd

// attack is a technique of MITRE ATT&CK 13.1, as far as detections for Vault name it. Wazuh
// reads all of them from its database.
type attack struct {
	name    string
	tactics []string // ids
}

func tacticName(id string) string {
	switch id {
	case "TA0001":
		return "Initial Access"
	case "TA0002":
		return "Execution"
	case "TA0003":
		return "Persistence"
	case "TA0004":
		return "Privilege Escalation"
	case "TA0005":
		return "Defense Evasion"
	case "TA0006":
		return "Credential Access"
	case "TA0007":
		return "Discovery"
	case "TA0008":
		return "Lateral Movement"
	case "TA0009":
		return "Collection"
	case "TA0010":
		return "Exfiltration"
	case "TA0011":
		return "Command and Control"
	case "TA0040":
		return "Impact"
	case "TA0042":
		return "Resource Development"
	case "TA0043":
		return "Reconnaissance"
	}
	return id
}

func attackTechnique(id string) (attack, bool) {
	one := func(name string, tactics ...string) (attack, bool) { return attack{name, tactics}, true }
	switch id {
	case "T1003":
		return one("OS Credential Dumping", "TA0006")
	case "T1005":
		return one("Data from Local System", "TA0009")
	case "T1020":
		return one("Automated Exfiltration", "TA0010")
	case "T1021":
		return one("Remote Services", "TA0008")
	case "T1030":
		return one("Data Transfer Size Limits", "TA0010")
	case "T1040":
		return one("Network Sniffing", "TA0006", "TA0007")
	case "T1041":
		return one("Exfiltration Over C2 Channel", "TA0010")
	case "T1046":
		return one("Network Service Discovery", "TA0007")
	case "T1048":
		return one("Exfiltration Over Alternative Protocol", "TA0010")
	case "T1068":
		return one("Exploitation for Privilege Escalation", "TA0004")
	case "T1069":
		return one("Permission Groups Discovery", "TA0007")
	case "T1069.003":
		return one("Cloud Groups", "TA0007")
	case "T1070":
		return one("Indicator Removal", "TA0005")
	case "T1070.002":
		return one("Clear Linux or Mac System Logs", "TA0005")
	case "T1070.009":
		return one("Clear Persistence", "TA0005")
	case "T1078":
		return one("Valid Accounts", "TA0005", "TA0003", "TA0004", "TA0001")
	case "T1078.001":
		return one("Default Accounts", "TA0005", "TA0003", "TA0004", "TA0001")
	case "T1078.003":
		return one("Local Accounts", "TA0005", "TA0003", "TA0004", "TA0001")
	case "T1078.004":
		return one("Cloud Accounts", "TA0005", "TA0003", "TA0004", "TA0001")
	case "T1087":
		return one("Account Discovery", "TA0007")
	case "T1087.004":
		return one("Cloud Account", "TA0007")
	case "T1090":
		return one("Proxy", "TA0011")
	case "T1098":
		return one("Account Manipulation", "TA0003", "TA0004")
	case "T1098.001":
		return one("Additional Cloud Credentials", "TA0003", "TA0004")
	case "T1098.003":
		return one("Additional Cloud Roles", "TA0003", "TA0004")
	case "T1110":
		return one("Brute Force", "TA0006")
	case "T1110.001":
		return one("Password Guessing", "TA0006")
	case "T1110.003":
		return one("Password Spraying", "TA0006")
	case "T1110.004":
		return one("Credential Stuffing", "TA0006")
	case "T1119":
		return one("Automated Collection", "TA0009")
	case "T1133":
		return one("External Remote Services", "TA0003", "TA0001")
	case "T1134":
		return one("Access Token Manipulation", "TA0005", "TA0004")
	case "T1136":
		return one("Create Account", "TA0003")
	case "T1136.001":
		return one("Local Account", "TA0003")
	case "T1136.003":
		return one("Cloud Account", "TA0003")
	case "T1190":
		return one("Exploit Public-Facing Application", "TA0001")
	case "T1195":
		return one("Supply Chain Compromise", "TA0001")
	case "T1199":
		return one("Trusted Relationship", "TA0001")
	case "T1212":
		return one("Exploitation for Credential Access", "TA0006")
	case "T1213":
		return one("Data from Information Repositories", "TA0009")
	case "T1222":
		return one("File and Directory Permissions Modification", "TA0005")
	case "T1484":
		return one("Domain Policy Modification", "TA0005", "TA0004")
	case "T1485":
		return one("Data Destruction", "TA0040")
	case "T1486":
		return one("Data Encrypted for Impact", "TA0040")
	case "T1489":
		return one("Service Stop", "TA0040")
	case "T1490":
		return one("Inhibit System Recovery", "TA0040")
	case "T1496":
		return one("Resource Hijacking", "TA0040")
	case "T1498":
		return one("Network Denial of Service", "TA0040")
	case "T1499":
		return one("Endpoint Denial of Service", "TA0040")
	case "T1505":
		return one("Server Software Component", "TA0003")
	case "T1518":
		return one("Software Discovery", "TA0007")
	case "T1526":
		return one("Cloud Service Discovery", "TA0007")
	case "T1528":
		return one("Steal Application Access Token", "TA0006")
	case "T1529":
		return one("System Shutdown/Reboot", "TA0040")
	case "T1530":
		return one("Data from Cloud Storage", "TA0009")
	case "T1531":
		return one("Account Access Removal", "TA0040")
	case "T1537":
		return one("Transfer Data to Cloud Account", "TA0010")
	case "T1538":
		return one("Cloud Service Dashboard", "TA0007")
	case "T1539":
		return one("Steal Web Session Cookie", "TA0006")
	case "T1548":
		return one("Abuse Elevation Control Mechanism", "TA0004", "TA0005")
	case "T1550":
		return one("Use Alternate Authentication Material", "TA0005", "TA0008")
	case "T1550.001":
		return one("Application Access Token", "TA0005", "TA0008")
	case "T1552":
		return one("Unsecured Credentials", "TA0006")
	case "T1552.001":
		return one("Credentials In Files", "TA0006")
	case "T1552.004":
		return one("Private Keys", "TA0006")
	case "T1553":
		return one("Subvert Trust Controls", "TA0005")
	case "T1555":
		return one("Credentials from Password Stores", "TA0006")
	case "T1555.005":
		return one("Password Managers", "TA0006")
	case "T1556":
		return one("Modify Authentication Process", "TA0006", "TA0005", "TA0003")
	case "T1557":
		return one("Adversary-in-the-Middle", "TA0006", "TA0009")
	case "T1561":
		return one("Disk Wipe", "TA0040")
	case "T1562":
		return one("Impair Defenses", "TA0005")
	case "T1562.001":
		return one("Disable or Modify Tools", "TA0005")
	case "T1562.002":
		return one("Disable Windows Event Logging", "TA0005")
	case "T1562.006":
		return one("Indicator Blocking", "TA0005")
	case "T1562.008":
		return one("Disable Cloud Logs", "TA0005")
	case "T1565":
		return one("Data Manipulation", "TA0040")
	case "T1565.001":
		return one("Stored Data Manipulation", "TA0040")
	case "T1567":
		return one("Exfiltration Over Web Service", "TA0010")
	case "T1580":
		return one("Cloud Infrastructure Discovery", "TA0007")
	case "T1586":
		return one("Compromise Accounts", "TA0042")
	case "T1588":
		return one("Obtain Capabilities", "TA0042")
	case "T1589":
		return one("Gather Victim Identity Information", "TA0043")
	case "T1595":
		return one("Active Scanning", "TA0043")
	case "T1606":
		return one("Forge Web Credentials", "TA0006")
	case "T1613":
		return one("Container and Resource Discovery", "TA0007")
	case "T1621":
		return one("Multi-Factor Authentication Request Generation", "TA0006")
	case "T1649":
		return one("Steal or Forge Authentication Certificates", "TA0006")
	}
	return attack{}, false
}
