package authority

import "time"

// idCheckValid checks the last character of an 18-character resident identity
// number: GB 11643-1999, which is ISO 7064 MOD 11-2.
func idCheckValid(id string) bool {
	sum := 0
	for i := 0; i < 17; i++ {
		sum += int(id[i]-'0') * idWeights[i]
	}
	return id[17] == "10X98765432"[sum%11]
}

var idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

func idBirthValid(id string) bool {
	_, err := time.Parse("20060102", id[6:14])
	return err == nil
}

// luhnValid checks the last digit of a card number: ISO/IEC 7812-1 annex B.
// Accounts that are not cards need not have it, so it is only ever a note.
func luhnValid(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
