"""What hides text in other forms: HTML, RTF, TNEF, signed blobs."""
